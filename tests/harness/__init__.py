"""What tests of the service share: the built service without its port, and plugins that tests direct."""
