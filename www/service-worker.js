// Keeps the page for when there is no network. While there is one, nothing is answered from what is kept, so a new version
// of the page is seen at once; the browser then finds a new version of this file too, which keeps the new files.
// Bundles are never kept.
//
// The build puts the version and the names of the files here.
const VERSION = '';
const FILES = [];

const CACHE = `optimil-${VERSION}`;

addEventListener('install', (event) => {
  skipWaiting();
  event.waitUntil(
    // Past the browser's own cache, which may have files of the version before.
    caches.open(CACHE).then((cache) => cache.addAll(FILES.map((name) => new Request(name, { cache: 'no-cache' })))),
  );
});

addEventListener('activate', (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) => names.filter((name) => name.startsWith('optimil-') && name !== CACHE))
      .then((old) => Promise.all(old.map((name) => caches.delete(name))))
      .then(() => clients.claim()),
  );
});

addEventListener('fetch', (event) => {
  const { request } = event;
  const name = new URL(request.url);
  name.search = '';
  name.hash = '';
  const own = FILES.some((file) => new URL(file, location).href === name.href);
  if (request.method === 'GET' && own) event.respondWith(answer(request, name.href));
});

/** From the network; without one, what is kept. */
async function answer(request, name) {
  try {
    return await fetch(request);
  } catch (error) {
    const kept = await caches.match(name);
    if (kept) return kept;
    throw error;
  }
}
