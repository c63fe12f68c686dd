"""Serves ministack on loopback for the scenarios.

Usage: ministack_start.py [--port N] [--auth]

Prints, shortly before it can be asked, an `export NAME=value` line each for
AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID (twelve digits: ministack takes them for the
account), AWS_SECRET_ACCESS_KEY and AWS_REGION, and runs until it is stopped.
ministack wants to know its port before it starts, and says nothing when it has:
it is given a socket that has one already, with --port 0, the default, a free one.

One defect is mended, as of ministack 1.5.33, which knows nothing of the program
under test: a new OU had no FullAWSAccess, with which AWS attaches every OU while
SCPs are enabled; without it nothing is allowed below.
https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps_evaluation.html

--auth has ministack check signatures, trust policies and permissions. Then two
more defects are mended: for a role's session aws:PrincipalArn was the session's ARN; on AWS it is the
role's. And calls on VPC peering connections were checked on "*"; on AWS on the
connection.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalarn
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
"""

import argparse
import os
import re
import socket
import sys


def bind(port):
    """Has ministack serve on a socket that is bound here, so that nobody else gets
    its port meanwhile. Returns the port."""
    from hypercorn.config import Config

    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    port = sock.getsockname()[1]
    ours, create = f"fd://{sock.detach()}", Config._create_sockets

    def create_sockets(self, binds, *rest, **named):
        return create(self, [ours if b == f"127.0.0.1:{port}" else b for b in binds], *rest, **named)

    Config._create_sockets = create_sockets
    return port


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


def mend_organizational_units():
    from ministack.services import organizations

    handlers = next(v for v in vars(organizations).values() if isinstance(v, dict) and "CreateOrganizationalUnit" in v)
    create = handlers["CreateOrganizationalUnit"]

    def create_organizational_unit(payload):
        before = set(organizations._ous)
        answer = create(payload)
        for ou in set(organizations._ous) - before:
            full = organizations.FULL_ACCESS_POLICY_ID
            organizations._attachments[full] = list(organizations._attachments.get(full) or []) + [ou]
        return answer

    handlers["CreateOrganizationalUnit"] = create_organizational_unit


def mend_peering_resources():
    from ministack.core import iam_actions

    extract = iam_actions.extract_resource_arn

    def extract_resource_arn(service, method, path, headers, body, query_params, region, account_id, *rest, **named):
        arn = extract(service, method, path, headers, body, query_params, region, account_id, *rest, **named)
        if service == "ec2" and arn == "*":
            for field in ("VpcPeeringConnectionId", "ResourceId.1"):
                value = iam_actions._query_param(query_params, field)
                if value and value.startswith("pcx-"):
                    return f"arn:aws:ec2:{region}:{account_id}:vpc-peering-connection/{value}"
        return arn

    iam_actions.extract_resource_arn = extract_resource_arn


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--auth", action="store_true")
    args = parser.parse_args()
    port = bind(args.port)
    os.environ["GATEWAY_PORT"] = str(port)
    os.environ["BIND_HOST"] = "127.0.0.1"  # else it serves on all addresses,
    os.environ["IOT_MTLS_ENABLED"] = "0"  # and so does its MQTT broker

    mend_organizational_units()
    if args.auth:
        os.environ["AUTH"] = "true"
        os.environ["AWS_ACCESS_KEY_ID"] = "111111111111"
        os.environ["AWS_SECRET_ACCESS_KEY"] = "example"  # of all accounts' root users
        mend_principal_arn()
        mend_peering_resources()

    print(f"export AWS_ENDPOINT_URL=http://127.0.0.1:{port}")
    print("export AWS_ACCESS_KEY_ID=111111111111")
    print("export AWS_SECRET_ACCESS_KEY=example")
    print("export AWS_REGION=eu-west-1", flush=True)

    from ministack.app import main as serve

    sys.argv = sys.argv[:1]
    serve()


if __name__ == "__main__":
    main()
