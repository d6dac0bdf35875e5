// Loads the wasm of the worker that is called so; what goes wrong is told as the `Failed` of its replies.
try {
  const { default: init } = await import(new URL(`${self.name}.js`, import.meta.url));
  await init({ module_or_path: new URL(`${self.name}_bg.wasm`, import.meta.url) });
} catch (error) {
  postMessage({ Failed: error.message });
}
