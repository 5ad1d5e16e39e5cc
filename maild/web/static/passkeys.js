// Asks the browser for a passkey where a form offers that; without it the password way stays as it is.

const octets = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const OLD_MS = 240_000; // a challenge lasts five minutes
let began = performance.now();
let offered = null; // what the browser lists beside the login; it asks for one thing at a time

function withOctets(options) {
  const listed = (all) => (all ?? []).map((each) => ({ ...each, id: octets(each.id) }));
  const made = { ...options, challenge: octets(options.challenge) };
  if (options.user) made.user = { ...options.user, id: octets(options.user.id) };
  if (options.excludeCredentials) made.excludeCredentials = listed(options.excludeCredentials);
  if (options.allowCredentials) made.allowCredentials = listed(options.allowCredentials);
  return made;
}

function said(credential) {
  const response = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[name]) response[name] = text(credential.response[name]);
  }
  return JSON.stringify({ id: credential.id, rawId: text(credential.rawId), type: credential.type, response });
}

// A page that stood open over night asks anew before it asks the device.
async function renewed(box) {
  if (performance.now() - began < OLD_MS || box.form.method !== "post" || !box.ask.hasAttribute("data-renews")) return;
  const answer = await fetch(location.href, { headers: { accept: "text/html" }, credentials: "same-origin" });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.querySelector("[data-renews]");
  if (!fresh) return location.reload();
  box.ask.dataset.passkey = fresh.dataset.passkey;
  box.ticket.value = fresh.querySelector("input[name$=passkey-ticket]").value;
  for (const old of document.querySelectorAll("input[name=token]")) {
    old.value = page.querySelector("input[name=token]").value;
  }
  began = performance.now();
}

async function show(box) {
  const makes = box.ask.hasAttribute("data-makes");
  if (makes && !box.form.reportValidity()) return;
  offered?.abort();
  box.button.disabled = true;
  box.sorry.hidden = true;
  try {
    await renewed(box);
    const options = { publicKey: withOctets(JSON.parse(box.ask.dataset.passkey)) };
    box.answer.value = said(await navigator.credentials[makes ? "create" : "get"](options));
    box.form.submit(); // what else the form asks for is not asked for then
  } catch {
    box.sorry.hidden = false;
    box.button.disabled = false;
    box.button.focus();
  }
}

// Where the browser can, passkeys stand in the list that it opens at the login: chosen there, no button is needed.
async function offer(box) {
  offered = new AbortController();
  const { signal } = offered;
  const old = setTimeout(() => offered.abort(), OLD_MS - (performance.now() - began));
  try {
    const publicKey = withOctets(JSON.parse(box.ask.dataset.passkey));
    box.answer.value = said(await navigator.credentials.get({ publicKey, mediation: "conditional", signal }));
    box.form.submit();
  } catch {
    // Nobody chose one, or it was shown by the button. What became too old is asked for anew when somebody is there.
    if (signal.aborted && !box.button.disabled) addEventListener("pointerdown", () => renewed(box).then(() => offer(box)), { once: true });
  } finally {
    clearTimeout(old);
  }
}

if (window.PublicKeyCredential && window.isSecureContext) {
  for (const ask of document.querySelectorAll("[data-passkey]")) {
    const find = (selector) => ask.querySelector(selector);
    const box = {
      ask,
      form: ask.closest("form"),
      button: find("button"),
      sorry: find("[role=alert]"),
      ticket: find("input[name$=passkey-ticket]"),
      answer: find("input[name$=passkey]"),
    };
    ask.hidden = false;
    box.button.addEventListener("click", () => show(box));
    for (const without of box.form.querySelectorAll("[data-without]")) without.hidden = true;
    if (document.querySelector("[autocomplete~=webauthn]")) {
      PublicKeyCredential.isConditionalMediationAvailable?.().then((can) => can && offer(box));
    }
  }
}
