/** The reactions that a button stands for, with a word where the system has no emoji. */
export const REACTIONS: readonly { emoji: string; name: string; word: string }[] = [
  { emoji: "👍", name: "Thumbs up", word: "Yes" },
  { emoji: "❤️", name: "Heart", word: "Love" },
  { emoji: "😂", name: "Tears of joy", word: "Haha" },
  { emoji: "😮", name: "Surprise", word: "Wow" },
  { emoji: "👏", name: "Applause", word: "Clap" },
  { emoji: "🎉", name: "Party", word: "Hooray" },
];

let colour: boolean | undefined;

/** Whether the system can draw emoji: some have no font for them, and show boxes. */
export function drawsEmoji(): boolean {
  colour ??= looksLikeEmoji();
  return colour;
}

/** What to show for an emoji here. */
export function glyph(emoji: string): string {
  if (drawsEmoji()) return emoji;
  return REACTIONS.find((r) => r.emoji === emoji)?.word ?? "♥";
}

/** Draws two emoji and a code point that no font has: those that look like it are boxes. */
function looksLikeEmoji(): boolean {
  const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  if (!context) return true;
  const draw = (text: string) => {
    context.clearRect(0, 0, 32, 32);
    context.font = '20px "Apple Color Emoji", "Segoe UI Emoji", "Noto Color Emoji", sans-serif';
    context.textBaseline = "top";
    context.fillText(text, 2, 4);
    return context.getImageData(0, 0, 32, 32).data.join();
  };
  const missing = draw("\u{10fffd}");
  const empty = draw(" ");
  return REACTIONS.slice(0, 2).every(({ emoji }) => ![missing, empty].includes(draw(emoji)));
}
