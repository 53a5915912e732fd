"""What runs in the pod or the local Ray: the front and the engines. It knows nothing of infercli, nor infercli of it.

Each package here travels alone in a zip, as a top-level package: `front/` as `infercli_front`, `engine/` as
`infercli_engine`. So they may not import each other, and inside one only relative imports work in both places.
"""
