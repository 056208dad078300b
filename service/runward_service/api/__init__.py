"""The gRPC servicers: protos become domain objects, errors become statuses. The only package that knows runward.v1."""
