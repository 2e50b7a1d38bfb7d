// Everything that the page says, in both languages. Functions take what is to be said.

const en = {
  other: "中文", otherCode: "zh", title: "Fieldmark: what is in your picture?",
  skip: "Skip to the content", model: "Model", question: "What is in your picture?",
  lead: "Fieldmark names it, shows which marks decided, and says so when it can’t tell.",
  dropHere: "Drop pictures here, or paste one", pickHere: "Pick pictures", dropNow: "Let go to look at it",
  choose: "Choose pictures", takePhoto: "Take a photo", snap: "Take it", close: "Close",
  knows: (count) => `It knows ${count} classes`,
  looking: "Looking at the picture …", comparing: "Comparing …", done: (label) => `Done: ${label}.`,
  again: "Another picture", showParts: "Show the parts", forPrograms: "For programs: the API",
  about: (name, version) => `Model ${name}, version ${version}. Pictures stay on this service.`,
  sure: (percent) => `${percent} sure`, likely: (percent) => `the likeliest of all, at ${percent}`,
  unsureOf: (label) => `Perhaps ${label}`,
  oneOf: "The picture doesn’t settle which of these it is:",
  covers: (percent) => `In ${percent} of pictures of known classes, the right name is among those listed.`,
  flagged: (names) => `Look twice: it may be ${names}.`,
  unknownHead: "Nothing that I know",
  unknownWords: (count, label) => `This doesn’t look like any of the ${count} classes that this model has learned. The nearest is ${label}, but don’t rely on it.`,
  certainOf: (rank, name, percent) => `Certain only as far as the ${rank}: ${name} (${percent}).`,
  notCertain: "Not certain enough to rely on.",
  noRule: "This model can’t tell when a picture shows none of its classes.",
  alternatives: "Other possibilities",
  marksHead: "What it saw",
  marksWords: (label) => `Each part speaks for ${label}, or against it. Point at one to find it.`,
  oneMark: "This model looks at the picture as a whole, so there are no parts to show.",
  speaksFor: "for", speaksAgainst: "against", presence: (percent) => `seen with ${percent} certainty`, nowhere: "not a place",
  whyHead: (label) => `Why ${label}, and not`, whyPick: "Compare with",
  decides: (parts, rival, many) => `${parts} ${many ? "decide together. Without them" : "decides. Without it"}, the answer would be ${rival}.`,
  apart: (part, rival, figure) => `Beside pictures of ${rival} in the same pose, ${part} differs most (${figure}).`,
  apartPicture: (rival) => `Your picture in grey, coloured where it differs from pictures of ${rival} in the same pose`,
  apartWords: (label, rival) => `Green speaks for ${label}, orange for ${rival}, less what pictures of ${rival} in the same pose say there: also where a mark is missing.`,
  noFlip: (part, rival) => `Mostly ${part}. No part alone, nor all together, would turn it into ${rival}.`,
  nothingFor: (label) => `No part speaks for ${label} here; it is simply the commoner answer.`,
  notExact: "This model doesn’t add up parts, so places were covered one by one and the change was measured.",
  yours: "Your picture", theirs: (rival) => `${rival}, from training`,
  leaning: (label) => `speaks for ${label}`,
  covered: (value) => `Covered: ${value}`, coveredHelp: "How the balance changed when this part was painted over in the picture.",
  pickSame: "It is called that already.",
  nearHead: "Most like these training pictures", similarity: (percent) => `${percent} alike`,
  feedbackHead: "Is it right?", yes: "Yes", no: "No, it’s something else", whatIsIt: "What is it?",
  typeName: "Start to type a name", none: "None of these classes", note: "Anything to add? (optional)", save: "Save the correction", cancel: "Cancel",
  keptPicture: "The picture is kept with your answer, to train on.", keptAnswer: "Only your answer is kept, not the picture.",
  thanks: "Thank you. Your answer is saved.", needName: "Name it, or tick “None of these classes”.",
  cantShow: "Your browser can’t show this kind of picture; the answer still holds.",
  caption: "Numbers are the parts that say most.",
  several: (count) => `${count} pictures`, unknownShort: "unknown", noPictureShort: "can’t be opened",
  howHead: "How to read this",
  how: "Figures are log-odds: each part adds its figure, and the sum decides. +2.3 makes an answer ten times as likely, −2.3 a tenth. “Covered” is the check: the part is painted over and the model looks again.",
  keyTitle: "This service wants a key", keyWords: "Whoever runs it can give you one. It is kept until you close this tab.", key: "Key", goOn: "Go on",
  retry: "Try again", waiting: (seconds) => `Many are asking just now. Trying again in ${seconds} s …`,
  problems: {
    offline: ["The service can’t be reached.", "Check the connection, then try again."],
    busy: ["Too many are asking just now.", "Wait a moment, then try again."],
    too_many: ["You asked very often.", "Wait a minute, then try again."],
    late: ["That took too long.", "Try again, perhaps with a smaller picture."],
    closing: ["The service is restarting.", "Try again in a moment."],
    too_large: ["This file is too large.", "Choose a smaller picture."],
    bad_picture: ["This file can’t be opened as a picture.", "Use a JPEG, PNG, WebP, GIF, TIFF or AVIF picture."],
    no_picture: ["There was no picture in that.", "Drop or paste a picture file."],
    camera: ["The camera can’t be used.", "Allow it in the browser, or choose a file."],
    bug: ["Something went wrong here.", "Try again; if it stays so, tell whoever runs the service."],
  },
  and: " and ", comma: ", ", the: (part) => (/\d$/.test(part) ? part : `the ${part}`),
  capital: (text) => text.charAt(0).toUpperCase() + text.slice(1),
};

const zh = {
  other: "English", otherCode: "en", title: "Fieldmark：图片里是什么？",
  skip: "跳到正文", model: "模型", question: "图片里是什么？",
  lead: "Fieldmark 说出它的名称，指出起决定作用的特征；无法判断时，也会如实说明。",
  dropHere: "把图片拖到这里，或直接粘贴", pickHere: "选一张图片", dropNow: "松开即可识别",
  choose: "选择图片", takePhoto: "拍照", snap: "拍下", close: "关闭",
  knows: (count) => `它认识 ${count} 个类别`,
  looking: "正在识别……", comparing: "正在比较……", done: (label) => `识别完成：${label}。`,
  again: "换一张图片", showParts: "显示部位", forPrograms: "供程序使用：API",
  about: (name, version) => `模型 ${name}，版本 ${version}。图片只发送到本服务。`,
  sure: (percent) => `把握 ${percent}`, likely: (percent) => `可能性最大，为 ${percent}`,
  unsureOf: (label) => `可能是 ${label}`,
  oneOf: "仅凭这张图片无法确定是以下哪一种：",
  covers: (percent) => `对于已知类别的图片，正确名称在所列之中的比例为 ${percent}。`,
  flagged: (names) => `请再仔细看：也可能是 ${names}。`,
  unknownHead: "不是我认识的类别",
  unknownWords: (count, label) => `它不像这个模型学过的 ${count} 个类别中的任何一个。最接近的是 ${label}，但并不可靠。`,
  certainOf: (rank, name, percent) => `只能确定到 ${rank}：${name}（${percent}）。`,
  notCertain: "把握不足，不宜作为依据。",
  noRule: "这个模型无法判断图片是否不属于它的任何类别。",
  alternatives: "其他可能",
  marksHead: "它看到了什么",
  marksWords: (label) => `每个部位都支持或反对“${label}”。指向某一项，即可在图中找到它。`,
  oneMark: "这个模型把图片作为整体来看，因此没有部位可显示。",
  speaksFor: "支持", speaksAgainst: "反对", presence: (percent) => `可见程度 ${percent}`, nowhere: "不是具体位置",
  whyHead: (label) => `为什么是 ${label}，而不是`, whyPick: "与之比较",
  decides: (parts, rival, many) => `起决定作用的是${parts}。没有${many ? "它们" : "它"}，结果会是 ${rival}。`,
  apart: (part, rival, figure) => `与姿态相近的 ${rival} 照片相比，差别最大的是${part}（${figure}）。`,
  apartPicture: (rival) => `灰度显示的你的图片，彩色处与姿态相近的 ${rival} 照片不同`,
  apartWords: (label, rival) => `绿色支持 ${label}，橙色支持 ${rival}，均已减去姿态相近的 ${rival} 照片在同一处的数值：因此缺少的特征也能看出来。`,
  noFlip: (part, rival) => `主要依据是${part}。即使去掉所有部位，结果也不会变成 ${rival}。`,
  nothingFor: (label) => `没有部位支持 ${label}；它只是更常见的答案。`,
  notExact: "这个模型不按部位相加，因此逐处遮挡并测量变化。",
  yours: "你的图片", theirs: (rival) => `训练图片中的 ${rival}`,
  leaning: (label) => `支持 ${label}`,
  covered: (value) => `遮挡后：${value}`, coveredHelp: "在图片中涂去该部位后，判断的变化。",
  pickSame: "它已经被识别为这一类别。",
  nearHead: "最相似的训练图片", similarity: (percent) => `相似度 ${percent}`,
  feedbackHead: "识别得对吗？", yes: "对", no: "不对，是别的", whatIsIt: "它是什么？",
  typeName: "输入名称", none: "不属于这些类别", note: "补充说明（可不填）", save: "保存更正", cancel: "取消",
  keptPicture: "图片会与你的回答一起保存，用于训练。", keptAnswer: "只保存你的回答，不保存图片。",
  thanks: "谢谢，你的回答已保存。", needName: "请填写名称，或勾选“不属于这些类别”。",
  cantShow: "浏览器无法显示这种格式的图片，但识别结果仍然有效。",
  caption: "数字标出最有说服力的部位。",
  several: (count) => `${count} 张图片`, unknownShort: "不认识", noPictureShort: "无法打开",
  howHead: "如何理解这些数字",
  how: "数字是对数几率：各部位的数字相加，总和决定结果。+2.3 表示可能性变为十倍，−2.3 表示变为十分之一。“遮挡后”是验证：涂去该部位，让模型再看一次。",
  keyTitle: "使用本服务需要密钥", keyWords: "请向服务的管理者索取。密钥只保留到关闭此标签页为止。", key: "密钥", goOn: "继续",
  retry: "重试", waiting: (seconds) => `当前请求较多，${seconds} 秒后重试……`,
  problems: {
    offline: ["无法连接到服务。", "请检查网络，然后重试。"],
    busy: ["当前请求过多。", "请稍等片刻再试。"],
    too_many: ["你的请求过于频繁。", "请等一分钟再试。"],
    late: ["处理时间过长。", "请重试，或换一张较小的图片。"],
    closing: ["服务正在重启。", "请稍后再试。"],
    too_large: ["文件太大。", "请选择较小的图片。"],
    bad_picture: ["无法将此文件作为图片打开。", "请使用 JPEG、PNG、WebP、GIF、TIFF 或 AVIF 图片。"],
    no_picture: ["其中没有图片。", "请拖入或粘贴图片文件。"],
    camera: ["无法使用摄像头。", "请在浏览器中允许，或选择文件。"],
    bug: ["这里出了问题。", "请重试；若仍然如此，请告知服务的管理者。"],
  },
  and: "和", comma: "、", the: (part) => `“${part}”`,
  capital: (text) => text,
};

const LANGUAGES = { en, zh };

function preferred() {
  const kept = localStorage.getItem("fieldmark-language");
  if (kept in LANGUAGES) return kept;
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

let code = preferred();

export const words = () => LANGUAGES[code];

/** Put the page's fixed words into the chosen language. */
export function applyWords() {
  const chosen = words();
  document.documentElement.lang = code === "zh" ? "zh-Hans" : "en";
  document.title = chosen.title;
  for (const place of document.querySelectorAll("[data-word]")) place.textContent = chosen[place.dataset.word];
  const button = document.getElementById("language");
  button.textContent = chosen.other;
  button.lang = chosen.otherCode;
}

export function otherLanguage() {
  code = words().otherCode;
  localStorage.setItem("fieldmark-language", code);
  applyWords();
}

export const percent = (share) => {
  const value = 100 * share;
  if (value > 99 && value < 100) return "> 99 %";
  if (value > 0 && value < 1) return "< 1 %";
  return `${Math.round(value)} %`;
};

export const signed = (value) => {
  const text = Math.abs(value) >= 0.95 ? value.toFixed(1) : value.toFixed(2);
  if (Number(text) === 0) return "0";
  return value > 0 ? `+${text}` : `−${text.slice(1)}`;
};

export const joined = (names) => {
  const chosen = words();
  if (names.length < 2) return names.join("");
  return names.slice(0, -1).join(chosen.comma) + chosen.and + names.at(-1);
};
