"""Runs a Python function over the Lambda runtime API."""

import http.client
import importlib
import json
import logging
import os
import sys
import time
import traceback

API = os.environ["AWS_LAMBDA_RUNTIME_API"]
PREFIX = "/2018-06-01/runtime/"


def call(method, path, body=None):
    """One request; a connection of its own lets the function take its time."""
    connection = http.client.HTTPConnection(API)
    try:
        connection.request(method, PREFIX + path, body=body, headers={"Content-Type": "application/json"} if body is not None else {})
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def problem(error, kind=None, message=None, request=""):
    """The document of an error, and the same for the log."""
    frames = [] if error is None else traceback.format_list([f for f in traceback.extract_tb(error.__traceback__) if f.filename != __file__])
    kind, message = kind or type(error).__name__, message if message is not None else str(error)
    print(f"[ERROR] {kind}: {message}" + "".join(["\nTraceback (most recent call last):\n"] + frames if frames else []), flush=True)
    return json.dumps({"errorMessage": message, "errorType": kind, "requestId": request, "stackTrace": frames}).encode()


class Context:
    """What the handler gets beside the event."""

    def __init__(self, headers):
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.invoked_function_arn = headers["Lambda-Runtime-Invoked-Function-Arn"]
        self.aws_request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        self.client_context = headers.get("Lambda-Runtime-Client-Context")
        self.identity = None
        self.deadline = int(headers["Lambda-Runtime-Deadline-Ms"])

    def get_remaining_time_in_millis(self):
        return max(0, self.deadline - int(time.time() * 1000))


class StartError(Exception):
    """The handler can't be had: kind and message are Lambda's."""

    def __init__(self, kind, message):
        super().__init__(message)
        self.kind = kind


def load(name):
    """The handler's function, by "module.function"."""
    module_name, dot, function = name.rpartition(".")
    if not dot:
        raise StartError("Runtime.MalformedHandlerName", f"Bad handler '{name}': not enough values to unpack (expected 2, got 1)")
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as e:
        raise StartError("Runtime.ImportModuleError", f"Unable to import module '{module_name}': {e}") from e
    except SyntaxError as e:
        raise StartError("Runtime.UserCodeSyntaxError", f"Syntax error in module '{module_name}': {e}") from e
    if not hasattr(module, function):
        raise StartError("Runtime.HandlerNotFound", f"Handler '{function}' missing on module '{module_name}'")
    return getattr(module, function)


def main():
    sys.path[0] = os.environ["LAMBDA_TASK_ROOT"]
    logging.basicConfig(stream=sys.stdout, level=logging.WARNING, format="[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(message)s", datefmt="%Y-%m-%dT%H:%M:%S")
    logging.Formatter.converter = time.gmtime
    try:
        handler = load(os.environ["_HANDLER"])
    except StartError as e:
        call("POST", "init/error", problem(None, e.kind, str(e)))
        sys.exit(1)
    except Exception as e:  # of the module's own code
        call("POST", "init/error", problem(e))
        sys.exit(1)
    while True:
        status, headers, body = call("GET", "invocation/next")
        if status != 200:
            return
        request = headers["Lambda-Runtime-Aws-Request-Id"]
        os.environ["_X_AMZN_TRACE_ID"] = headers.get("Lambda-Runtime-Trace-Id", "")
        result, outcome = None, "response"
        try:
            result = handler(json.loads(body), Context(headers))
        except Exception as e:
            result, outcome = problem(e, request=request), "error"
        if outcome == "response":
            try:
                result = json.dumps(result, ensure_ascii=False).encode()
            except (TypeError, ValueError) as e:
                result, outcome = problem(None, "Runtime.MarshalError", f"Unable to marshal response: {e}", request), "error"
        sys.stdout.flush()
        sys.stderr.flush()
        call("POST", f"invocation/{request}/{outcome}", result)


main()
