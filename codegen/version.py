"""The version of the contract compiler, which is released together with Esper."""

VERSION = "0.1.0"
