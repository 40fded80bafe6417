/** Where the picture comes from. */
export type PictureSource = "camera" | "screen" | "none";

/** What to capture; empty device ids take the browser's default. */
export interface CaptureChoice {
  picture: PictureSource;
  camera: string;
  /** "none" for silence. */
  microphone: string;
  height: number;
}

/** Opens the chosen devices. Throws an Error whose message is for people. */
export async function capture(choice: CaptureChoice): Promise<MediaStream> {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new Error("Browsers allow cameras only over https or on localhost. Open this page that way.");
  }
  const media = new MediaStream();
  try {
    if (choice.picture === "screen") add(media, await screenMedia(choice.height));
    const wantCamera = choice.picture === "camera";
    const wantMicrophone = choice.microphone !== "none";
    if (wantCamera || wantMicrophone) {
      const got = await navigator.mediaDevices.getUserMedia({
        video: wantCamera && cameraConstraints(choice),
        audio: wantMicrophone && microphoneConstraints(choice.microphone),
      });
      // The voice takes the place of the screen's sound: one audio track.
      for (const track of got.getAudioTracks().length > 0 ? media.getAudioTracks() : []) {
        track.stop();
        media.removeTrack(track);
      }
      add(media, got);
    }
  } catch (error) {
    stopMedia(media);
    throw new Error(captureProblem(error), { cause: error });
  }
  if (media.getTracks().length === 0) throw new Error("Choose a picture or a microphone to go live with.");
  return media;
}

/** Lets go of all devices of a MediaStream. */
export function stopMedia(media: MediaStream | undefined): void {
  for (const track of media?.getTracks() ?? []) track.stop();
}

/** The cameras and microphones, named as far as the browser tells. */
export async function devices(): Promise<{ cameras: MediaDeviceInfo[]; microphones: MediaDeviceInfo[] }> {
  const all = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
  const of = (kind: string) => all.filter((d) => d.kind === kind && d.deviceId !== "");
  return { cameras: of("videoinput"), microphones: of("audioinput") };
}

function add(media: MediaStream, more: MediaStream): void {
  for (const track of more.getTracks()) media.addTrack(track);
}

function cameraConstraints(choice: CaptureChoice): MediaTrackConstraints {
  return {
    ...(choice.camera ? { deviceId: { exact: choice.camera } } : {}),
    width: { ideal: Math.round((choice.height * 16) / 9) },
    height: { ideal: choice.height },
    frameRate: { ideal: 30, max: 60 },
  };
}

function microphoneConstraints(id: string): MediaTrackConstraints {
  return {
    ...(id ? { deviceId: { exact: id } } : {}),
    channelCount: { ideal: 2 },
    echoCancellation: true,
    noiseSuppression: true,
    autoGainControl: true,
  };
}

async function screenMedia(height: number): Promise<MediaStream> {
  const media = await navigator.mediaDevices.getDisplayMedia({
    video: { height: { max: Math.max(height, 720) }, frameRate: { ideal: 30, max: 30 } },
    audio: true,
  });
  for (const track of media.getVideoTracks()) track.contentHint = "detail";
  return media;
}

/** One sentence for people from a DOMException of the capture APIs. */
export function captureProblem(error: unknown): string {
  const name = error instanceof Error ? error.name : "";
  switch (name) {
    case "NotAllowedError":
      return "The browser was not allowed to use the camera, microphone or screen.";
    case "NotFoundError":
      return "There is no such camera or microphone on this device.";
    case "NotReadableError":
      return "The camera or microphone is in use by another program.";
    case "OverconstrainedError":
      return "The chosen device is not there any more.";
    default:
      return error instanceof Error && error.message ? error.message : "The devices could not be opened.";
  }
}
