// Runs a Node.js function over the Lambda runtime API.
import { existsSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const prefix = "/2018-06-01/runtime/";

// One request; without a timeout, as the next event may be long in coming.
function call(method, name, body) {
  return new Promise((resolve, reject) => {
    const request = http.request({ host, port, method, path: prefix + name, agent: false }, (response) => {
      const chunks = [];
      response.on("data", (c) => chunks.push(c));
      response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks).toString() }));
    });
    request.on("error", reject);
    request.end(body);
  });
}

// The document of an error, which goes to the log as well.
function problem(error, kind, message) {
  const document = {
    errorType: kind ?? error?.name ?? typeof error,
    errorMessage: message ?? error?.message ?? String(error),
    trace: kind ? [] : String(error?.stack ?? "").split("\n"),
  };
  console.error(JSON.stringify(document));
  return JSON.stringify(document);
}

class StartError extends Error {
  constructor(kind, message) {
    super(message);
    this.kind = kind;
  }
}

// The handler's function, by "file.function".
async function load(name) {
  const base = path.basename(name);
  const dot = base.indexOf(".");
  if (dot < 0) throw new StartError("Runtime.MalformedHandlerName", "Bad handler");
  const stem = path.join(process.env.LAMBDA_TASK_ROOT, path.dirname(name), base.slice(0, dot));
  const file = [".js", ".mjs", ".cjs"].map((e) => stem + e).find(existsSync);
  if (!file) throw new StartError("Runtime.ImportModuleError", `Error: Cannot find module '${base.slice(0, dot)}'`);
  let module;
  try {
    module = await import(pathToFileURL(file).href);
  } catch (e) {
    if (e instanceof SyntaxError) throw new StartError("Runtime.UserCodeSyntaxError", `${e.name}: ${e.message}`);
    if (e.code === "ERR_MODULE_NOT_FOUND" || e.code === "MODULE_NOT_FOUND") throw new StartError("Runtime.ImportModuleError", `Error: ${e.message}`);
    throw e;
  }
  const find = (from) => base.slice(dot + 1).split(".").reduce((o, part) => o?.[part], from);
  const handler = find(module) ?? find(module.default);
  if (typeof handler !== "function") throw new StartError("Runtime.HandlerNotFound", `${name} is undefined or not exported`);
  return handler;
}

function contextOf(headers) {
  const deadline = Number(headers["lambda-runtime-deadline-ms"]);
  const client = headers["lambda-runtime-client-context"];
  return {
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
    awsRequestId: headers["lambda-runtime-aws-request-id"],
    clientContext: client ? JSON.parse(Buffer.from(client, "base64").toString()) : undefined,
    callbackWaitsForEmptyEventLoop: true,
    getRemainingTimeInMillis: () => Math.max(0, deadline - Date.now()),
  };
}

// A handler gives a promise or a value, or calls back.
function run(handler, event, context) {
  return new Promise((resolve, reject) => {
    const done = (error, value) => (error ? reject(error) : resolve(value));
    Object.assign(context, { done, succeed: (v) => done(null, v), fail: done });
    const result = handler(event, context, done);
    if (result && typeof result.then === "function") result.then(resolve, reject);
    else if (handler.length < 3 && result !== undefined) resolve(result);
    else if (handler.length < 2) resolve(result);
  });
}

let handler;
try {
  handler = await load(process.env._HANDLER);
} catch (e) {
  await call("POST", "init/error", e instanceof StartError ? problem(null, e.kind, e.message) : problem(e));
  process.exit(1);
}
for (;;) {
  const next = await call("GET", "invocation/next");
  if (next.status !== 200) process.exit(0);
  const id = next.headers["lambda-runtime-aws-request-id"];
  process.env._X_AMZN_TRACE_ID = next.headers["lambda-runtime-trace-id"];
  let body, outcome = "response";
  try {
    body = JSON.stringify(await run(handler, JSON.parse(next.body), contextOf(next.headers))) ?? "null";
  } catch (e) {
    [body, outcome] = [problem(e), "error"];
  }
  await call("POST", `invocation/${id}/${outcome}`, body);
}
