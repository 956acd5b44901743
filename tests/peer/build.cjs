// Drive the published client's native module, as its own JavaScript does:
//	node build.cjs MODULE DOCKERFILE NAME
// Address and key come from the environment; its events go to stderr, the
// registered template's JSON to stdout.
const path = require("node:path");
const [file, dockerfile, name] = process.argv.slice(2);
const client = require(path.resolve(file));

client
  .buildSandboxImage(
    {
      apiUrl: process.env.TENSORLAKE_API_URL,
      bearerToken: process.env.TENSORLAKE_API_KEY,
      dockerfilePath: path.resolve(dockerfile),
      registeredName: name,
      isPublic: false,
      namespace: "default",
      useScopeHeaders: false,
      dockerCompat: false,
    },
    (event) => process.stderr.write(`${event.eventType}: ${event.message}\n`),
  )
  .then(
    (result) => process.stdout.write(`${result}\n`),
    (error) => {
      process.stderr.write(`${error.message}\n`);
      process.exitCode = 1;
    },
  );
