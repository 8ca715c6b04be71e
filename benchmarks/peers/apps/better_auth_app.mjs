// better-auth's api-key plugin: users and keys in memory, which is the quickest it has; `limited` counts calls.
// node better_auth_app.mjs PORT limited|unlimited
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { apiKey } from "@better-auth/api-key";
import { betterAuth } from "better-auth";
import { memoryAdapter } from "better-auth/adapters/memory";

const [port, counting] = process.argv.slice(2);
const limit = { enabled: counting === "limited", timeWindow: 60_000, maxRequests: 1_000_000_000 };
const permissions = { links: ["read"] };
const auth = betterAuth({
  secret: "a secret of the benchmarks, 32 bytes",
  baseURL: "http://localhost",
  database: memoryAdapter({ user: [], session: [], account: [], verification: [], apikey: [] }),
  emailAndPassword: { enabled: true },
  logger: { disabled: true },
  telemetry: { enabled: false },
  plugins: [apiKey({ rateLimit: limit })],
});
const owner = { name: "benchmark", email: "owner@example.com", password: "correct horse battery" };
const { user } = await auth.api.signUpEmail({ body: owner });
const made = await auth.api.createApiKey({ body: { userId: user.id, name: "benchmark", permissions } });
writeFileSync("key", made.key);

createServer(async (request, response) => {
  const { valid } = await auth.api.verifyApiKey({ body: { key: request.headers["x-api-key"] ?? "", permissions } });
  const body = JSON.stringify({ valid });
  response.writeHead(valid ? 200 : 401, { "content-type": "application/json", "content-length": body.length });
  response.end(body);
}).listen(Number(port), "127.0.0.1");
