"""Serves ministack on loopback for the scenarios.

Usage: ministack_start.py [--port N] [--auth]

Prints, shortly before it can be asked, an `export NAME=value` line each for
AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID (twelve digits: ministack takes them for the
account), AWS_SECRET_ACCESS_KEY and AWS_REGION, and runs until it is stopped.
ministack wants to know its port before it starts, and says nothing when it has:
--port 0, the default, looks for a free one first.

--auth has ministack check signatures, trust policies and permissions. Then one
defect is mended, as of ministack 1.5.33, which knows nothing of the program under
test: for a role's session aws:PrincipalArn was the session's ARN; on AWS it is the
role's.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalarn
"""

import argparse
import os
import re
import socket
import sys


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def mend_principal_arn():
    from ministack.core import iam_evaluator

    resolve = iam_evaluator._resolve_condition_key

    def resolve_condition_key(key, ctx):
        value = resolve(key, ctx)
        if key.lower() != "aws:principalarn":
            return value
        session = re.fullmatch(r"arn:([a-z-]+):sts::(\d{12}):assumed-role/(.+)/[^/]+", value or "")
        return "arn:{}:iam::{}:role/{}".format(*session.groups()) if session else value

    iam_evaluator._resolve_condition_key = resolve_condition_key


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--auth", action="store_true")
    args = parser.parse_args()
    port = args.port or free_port()
    os.environ["GATEWAY_PORT"] = str(port)
    os.environ["BIND_HOST"] = "127.0.0.1"  # else it serves on all addresses,
    os.environ["IOT_MTLS_ENABLED"] = "0"  # and so does its MQTT broker

    if args.auth:
        os.environ["AUTH"] = "true"
        os.environ["AWS_ACCESS_KEY_ID"] = "111111111111"
        os.environ["AWS_SECRET_ACCESS_KEY"] = "example"  # of all accounts' root users
        mend_principal_arn()

    print(f"export AWS_ENDPOINT_URL=http://127.0.0.1:{port}")
    print("export AWS_ACCESS_KEY_ID=111111111111")
    print("export AWS_SECRET_ACCESS_KEY=example")
    print("export AWS_REGION=eu-west-1", flush=True)

    from ministack.app import main as serve

    sys.argv = sys.argv[:1]
    serve()


if __name__ == "__main__":
    main()
