"""Who owns which field of an object: server-side apply and ``metadata.managedFields``.

What Kubernetes' structured-merge-diff does, as pure functions:

    field_type      how a kind's fields merge, read from its schema
    field_set       sets of fields, in the form of ``fieldsV1``
    path_element    the names of list items and map entries in such sets, and how paths are shown
    contents        the fields a value has
    comparison      the fields in which two values differ
    merging         a value with another one laid over it
    removal         a value without some fields
    well_formed     what is wrong with an applied object's shape
    managers        the entries of ``managedFields``
    conflict        two managers want different things
    update, apply   what a write does to the object and to its managers
    last_applied    the way from client-side to server-side apply

An object is stored with its ``managedFields`` as one JSON text: the API server's writes and HTTP answers are the only
ones to look inside, and a text costs the processes that read objects next to nothing.
"""
