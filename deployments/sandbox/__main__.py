from deployments.sandbox.command_line import serve_until_interrupted

raise SystemExit(serve_until_interrupted())
