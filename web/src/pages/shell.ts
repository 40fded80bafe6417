import { html, LitElement, nothing, type TemplateResult } from "lit";

/** A page: it renders into the document, where the one style sheet applies. */
export class Page extends LitElement {
  protected override createRenderRoot(): HTMLElement {
    return this;
  }
}

/** The bar at the top of every page. */
export function header(extra: TemplateResult | typeof nothing = nothing): TemplateResult {
  return html`<header class="topbar">
    <a class="brand" href="/" aria-label="Freshet, all streams">
      <svg viewBox="0 0 32 32" aria-hidden="true"><path d="M3 12c4.5-6 8.5-6 13 0s8.5 6 13 0M3 21c4.5-6 8.5-6 13 0s8.5 6 13 0" /></svg>
      <span>Freshet</span>
    </a>
    <div class="topbar-extra">${extra}</div>
  </header>`;
}

/** A line of text with a button that copies it. */
export function copyRow(label: string, value: string, testid: string): TemplateResult {
  return html`<div class="copyrow">
    <span class="label">${label}</span>
    <code data-testid=${testid} tabindex="0">${value}</code>
    <button class="button small" data-testid="copy-${testid}" aria-label="Copy ${label}" @click=${(event: Event) => copy(event, value)}>Copy</button>
  </div>`;
}

async function copy(event: Event, value: string): Promise<void> {
  const button = event.currentTarget as HTMLButtonElement;
  const done = await navigator.clipboard?.writeText(value).then(
    () => true,
    () => false,
  );
  if (!done) {
    // No clipboard without https: mark the text, so that one key does it.
    const code = button.previousElementSibling;
    if (code) getSelection()?.selectAllChildren(code);
  }
  button.textContent = done ? "Copied" : "Ctrl+C";
  setTimeout(() => {
    button.textContent = "Copy";
  }, 1600);
}

/** The page for an address whose stream name is not one. */
export function badName(): TemplateResult {
  return html`${header()}
    <main class="narrow">
      <h1>This is not a stream name</h1>
      <p>Names have up to 64 letters, digits, “-” and “_”, and start with a letter or a digit.</p>
      <p><a class="button" href="/">All streams</a></p>
    </main>`;
}

/** A field for an access token; `use` is called with it. */
export function tokenForm(why: string, use: (token: string) => void): TemplateResult {
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const token = new FormData(event.target as HTMLFormElement).get("token");
    use(String(token ?? "").trim());
  };
  return html`<form class="card token" @submit=${submit} data-testid="token-form">
    <label for="token">Access token</label>
    <p class="hint">${why}</p>
    <div class="row">
      <input id="token" name="token" type="password" autocomplete="off" spellcheck="false" required />
      <button class="button primary">Use token</button>
    </div>
  </form>`;
}
