// Starts the page's wasm. A file of its own: the Content-Security-Policy allows no inline script.
// What is loaded later: Rust has no import() of its own.
globalThis.loadModule = (name) => import(new URL(name, document.baseURI));

const folder = new URL(`${document.getElementById('start').dataset.folder}/`, document.baseURI);
try {
  const { default: init } = await import(new URL('explorer.js', folder));
  await init({ module_or_path: new URL('explorer_bg.wasm', folder) });
  // The page without a network. `optimil serve` needs none: its server is there as long as the page is.
  if (navigator.serviceWorker && location.hostname !== '127.0.0.1') {
    navigator.serviceWorker.register('service-worker.js').catch((reason) => console.warn(reason.message));
  }
} catch (error) {
  const sentence = document.createElement('p');
  sentence.setAttribute('role', 'alert');
  sentence.textContent =
    `The page cannot start (${error.message}). It needs a current browser with WebAssembly; reload to try again.`;
  document.body.append(sentence);
}
