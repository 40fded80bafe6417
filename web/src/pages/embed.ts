import "../player.ts";
import { guestKey, modeOf, streamOf, takeToken } from "../wire/access.ts";

// /embed/{stream}: nothing but the player, for an iframe.
const stream = streamOf(location.pathname);
if (stream) {
  const player = document.createElement("freshet-player");
  player.src = `/whep/${stream}`;
  player.token = takeToken("watch", stream) || guestKey();
  player.mode = modeOf(location.search) ?? "auto";
  player.muted = true;
  player.dataset.testid = "player";
  document.body.append(player);
  document.title = stream;
} else {
  const notice = document.createElement("p");
  notice.textContent = "This is not a stream name.";
  document.body.append(notice);
}
