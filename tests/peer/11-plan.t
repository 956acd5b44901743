#!/bin/sh
# tests/data/plan.cases against the published client: what it looks up and says

. "${0%/*}/../lib.sh"

command -v npm >/dev/null || skip 'npm is absent'
case $(uname -m) in
x86_64) arch=linux-x64 ;;
aarch64) arch=linux-arm64 ;;
*) skip "the client is not published for $(uname -m)" ;;
esac
mkdir client
npm install --prefix client --no-audit --no-fund --no-save --silent \
    --cache "$T/npm" tensorlake@0.5.89 >npm.log 2>&1 || {
	sed 's/^/# /' npm.log
	skip 'npm could not install tensorlake@0.5.89'
}

# It asks for its scope, looks templates up, and is let down at prepare.
cat >script <<'EOT'
[{"method": "POST", "path": "/platform/v1/keys/introspect", "answers":
  [{"json": {"id": "k", "organizationId": "o", "projectId": "p"}}]},
 {"method": "POST", "path": "*/sandbox-template-builds", "answers":
  [{"status": 400, "json": {"error": "enough"}}]}]
EOT
/usr/bin/python3 "$here/../peer.py" --script script --log log --ready ready &
later "kill $!"
i=0
while [ ! -s ready ] && [ $((i += 1)) -lt 100 ]; do
	sleep 0.05
done

# Gather the cases, then ask about all of them in one process.
cases=0
collect () {
	cases=$((cases + 1))
	mkdir "$cases"
	# shellcheck disable=SC2059
	printf "$2" >"$cases/Dockerfile"
	printf '%s\n' "$1" >"$cases/what"
	printf '%s\n' "$3" >"$cases/want"
}
reads () {
	# Our lines, where the client tells none.
	collect "$1" "$2" "$(printf '%s\n' "$3" | awk -F ' [|] ' '{
		gsub(/:[0-9]+( |$)/, " ", $2)
		gsub(/:[0-9]+( |$)/, " ", $4)
		sub(/ $/, "", $2)
		sub(/ $/, "", $4)
		print $1 " | " $2 " | " $3 " | " $4 }')"
}
differs () {
	collect "$1" "$2" "$4"
}
rejects () {
	collect "$1" "$2" "$4"
}
refuses () {
	:
}
# shellcheck source=/dev/null
. "$here/../data/plan.cases"

cat >drive.cjs <<'EOT'
const path = require("path"), fs = require("fs");
const client = require(path.resolve(process.argv[2]));
const cases = +process.argv[3];
const log = () => fs.readFileSync("log", "utf8").trim().split("\n")
	.map((line) => JSON.parse(line));
(async () => {
	for (let i = 1; i <= cases; i++) {
		const ignored = [], cannot = [];
		let error = "";
		await client.buildSandboxImage({
			apiUrl: fs.readFileSync("ready", "utf8").trim(),
			bearerToken: "t", namespace: "default",
			dockerfilePath: path.resolve(`${i}/Dockerfile`),
			registeredName: `${i}`, isPublic: false,
			useScopeHeaders: false, dockerCompat: false,
		}, ({ eventType, message }) => {
			let m;
			if (eventType !== "warning")
				return;
			if ((m = /^Dockerfile instruction '(\w+)'/.exec(message)))
				ignored.push(m[1]);
			m = /^line (\d+): image reference '(.*?)' (is pinned)?/
				.exec(message);
			if (m)
				cannot.push(`${m[2]}:${m[1]}:` +
					(m[3] ? "digest" : "build argument"));
		}).catch((e) => (error = e.message));
		let says = `error: ${error}`;
		const asked = fs.existsSync("log") ? log() : [];
		const at = asked.findIndex((r) => r.body &&
			JSON.parse(r.body).name === `${i}`);
		if (at !== -1) {
			const base = JSON.parse(asked[at].body).baseImage;
			const looked = [];
			for (let k = at - 1; asked[k].method === "GET"; k--)
				looked.unshift(decodeURIComponent(
					asked[k].target.split("/").pop()));
			says = [base, looked.map((r) => (r === base ? "*" : "") +
				r).join(" "), cannot.join(" "),
				ignored.join(" ")].join(" | ");
		}
		fs.writeFileSync(`${i}/got`, `${says}\n`);
	}
})();
EOT
ok 'the client answers' node drive.cjs \
    client/node_modules/tensorlake/dist/native/$arch/tensorlake-node.node \
    "$cases"
i=0
while [ $((i += 1)) -le "$cases" ]; do
	is "$(cat "$i/what")" "$(cat "$i/got")" "$(cat "$i/want")"
done
