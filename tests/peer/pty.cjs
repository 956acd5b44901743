// Drive the published client's terminals, as its documents do:
//	node pty.cjs PACKAGE SANDBOX PROXY-URL
// The key comes from the environment.  undici of the client's wants a newer
// Node than Debian has; what is used here needs none of it.
const path = require("node:path");
const Module = require("node:module");
const load = Module._load;
Module._load = (name, ...rest) =>
  name === "undici"
    ? { Agent: class {}, setGlobalDispatcher() {} }
    : load(name, ...rest);
const { Sandbox } = require(path.resolve(process.argv[2]));

const say = (...words) => process.stdout.write(`${words.join(" ")}\n`);

async function main() {
  const box = new Sandbox({
    sandboxId: process.argv[3],
    proxyUrl: process.argv[4],
    apiKey: process.env.TENSORLAKE_API_KEY,
  });
  let shown = "";
  const until = async (text) => {
    for (let i = 0; i < 400 && !shown.includes(text); i++)
      await new Promise((resolve) => setTimeout(resolve, 50));
    const there = shown.includes(text);
    shown = there ? shown.slice(shown.indexOf(text) + text.length) : shown;
    return there;
  };
  const onData = (bytes) => {
    shown += Buffer.from(bytes).toString();
  };

  const pty = await box.createPty({
    command: "/bin/sh",
    args: ["-i"],
    env: { TERM: "vt220", PS1: "$ " },
    workingDir: "/tmp",
    rows: 40,
    cols: 132,
    onData,
    onExit: (code) => say("onExit", code),
  });
  await pty.sendInput('stty size; echo "$TERM $PWD"\n');
  say("its size", await until("\r\n40 132\r\n"));
  say("what it was told", await until("vt220 /tmp"));
  await pty.resize(90, 30);
  await pty.sendInput("stty size\n");
  say("another size", await until("\r\n30 90\r\n"));
  pty.disconnect();
  await new Promise((resolve) => setTimeout(resolve, 300));
  const again = await box.connectPty(pty.sessionId, pty.token, { onData });
  await again.sendInput("echo ba''ck; exit 6\n");
  say("again, from the beginning", await until("\r\n40 132\r\n"));
  say("and on", await until("\r\nback\r\n"));
  say("its status", await again.wait());

  const other = await box.createPty({ command: "cat" });
  // It may be told of its end before kill() has returned.
  const ended = other.wait().then(
    (code) => say("killed:", code),
    (error) => say("killed:", error.message),
  );
  await other.kill();
  await ended;
  await box
    .connectPty(other.sessionId, "0".repeat(64))
    .then(() => say("connected"), (error) => say("no token:", error.message));
  process.exit(0);
}

main().catch((error) => {
  say("failed:", error.stack);
  process.exit(1);
});
