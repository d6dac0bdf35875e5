// Loads the drawing worker's wasm; what goes wrong is told as a `Reply` of the crate depiction.
try {
  const { default: init } = await import('./depiction.js');
  await init({ module_or_path: new URL('depiction_bg.wasm', import.meta.url) });
} catch (error) {
  postMessage({ Failed: error.message });
}
