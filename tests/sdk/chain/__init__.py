"""Tests of medrec_py.chain without network: on the chain inside the process, and on nodes that are made up."""
