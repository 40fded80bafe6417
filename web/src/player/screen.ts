/** Picture in picture for a video, or back. */
export function togglePip(video: HTMLVideoElement | undefined): void {
  if (document.pictureInPictureElement) document.exitPictureInPicture().catch(() => {});
  else video?.requestPictureInPicture().catch(() => {});
}

/** Full screen for an element, or back; iPhones can only do it with the video. */
export function toggleFull(element: HTMLElement, video: HTMLVideoElement | undefined): void {
  const own = video as (HTMLVideoElement & { webkitEnterFullscreen?: () => void }) | undefined;
  if (document.fullscreenElement) void document.exitFullscreen();
  else if (element.requestFullscreen) element.requestFullscreen().catch(() => {});
  else own?.webkitEnterFullscreen?.();
}
