// Loads the model worker's wasm and tells the page how far it is (`Report` in protocol.rs).
try {
  const response = await fetch(new URL('model_bg.wasm', import.meta.url));
  if (!response.ok) throw new Error(`the model's program is not on the server: HTTP ${response.status}`);
  // The length of a compressed transfer is not that of the program.
  const total = response.headers.has('Content-Encoding') ? null : Number(response.headers.get('Content-Length')) || null;
  let received = 0;
  const counted = response.body.pipeThrough(
    new TransformStream({
      transform(chunk, stream) {
        received += chunk.byteLength;
        postMessage({ Loading: { received, total } });
        stream.enqueue(chunk);
      },
    }),
  );
  const { default: init } = await import('./model.js');
  await init({ module_or_path: new Response(counted, { headers: { 'Content-Type': 'application/wasm' } }) });
} catch (error) {
  postMessage({ Crashed: error.message });
}
