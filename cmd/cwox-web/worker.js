
// The worker: it runs the Go program, whose functions explainScene and explainPicture it calls.
const waiting = [];
let running = false;

function ready() {
  running = true;
  postMessage({ready: true});
  waiting.splice(0).forEach(run);
}

function progress(done, total) { postMessage({done, total}); }

function run(job) {
  const started = performance.now();
  const result = job.picture ? explainPicture(job.name, new Uint8Array(job.picture)) : explainScene(job.seed);
  result.seconds = (performance.now() - started) / 1000;
  postMessage(result);
}

onmessage = async (event) => {
  if (!event.data.program) {
    if (running) run(event.data); else waiting.push(event.data);
    return;
  }
  try {
    const go = new Go();
    const stream = new Blob([event.data.program]).stream().pipeThrough(new DecompressionStream("gzip"));
    const {instance} = await WebAssembly.instantiate(await new Response(stream).arrayBuffer(), go.importObject);
    await go.run(instance);
    postMessage({error: "the program has ended; load the page again"});
  } catch (problem) {
    postMessage({error: "the program does not start: " + problem});
  }
};
