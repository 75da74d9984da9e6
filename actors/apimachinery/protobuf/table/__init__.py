"""How the table of field numbers (``messages.txt``) is made, from the types compiled into a Kubernetes client.

    python -m actors.apimachinery.protobuf.table kubectl [helm] > actors/apimachinery/protobuf/messages.txt

Kubernetes' Go types carry their protobuf field numbers as struct tags (``generated.proto`` is generated from the same),
and a Go binary carries its types with it. So what a real client encodes is read from the client itself, nothing is
typed by hand. A development tool: the API server reads only the table.
"""
