"""`vorab audit verify` and `vorab balance`: the two proofs that anybody may ask for at any time."""
