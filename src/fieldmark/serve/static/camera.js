// A photo from the camera: a phone opens its own, elsewhere there is a small dialog.

import { byId } from "./element.js";

export async function openCamera(use, fail) {
  if (matchMedia("(pointer: coarse)").matches) return byId("shot").click();
  const dialog = byId("camera-dialog"), video = byId("video");
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch {
    return fail();
  }
  video.srcObject = stream;
  await video.play();
  dialog.showModal();
  byId("camera-close").onclick = () => dialog.close();
  dialog.onclose = () => stream.getTracks().forEach((track) => track.stop());
  byId("snap").onclick = () => {
    const canvas = document.createElement("canvas");
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext("2d").drawImage(video, 0, 0);
    dialog.close();
    canvas.toBlob((blob) => use(new File([blob], "photo.jpg", { type: "image/jpeg" })), "image/jpeg", 0.92);
  };
}
