/* transport.c - open and close a transport of any type */
#include "core/transport.h"

#include <stdlib.h>

enum error_code transport_open(struct transport *transport,
                               const struct transport_type *type,
                               enum transport_role role,
                               const struct transport_options *options,
                               struct error *error)
{
    *transport = (struct transport){.type = type, .state = calloc(1, type->state_size)};
    if (!transport->state)
        return error_set(error, ERROR_MEMORY, "no memory for a transport");
    return type->open(transport, role, options, error);
}

void transport_close(struct transport *transport, int drain_ms)
{
    if (!transport->state)
        return;
    transport->type->close(transport, drain_ms);
    free(transport->state);
    transport->state = NULL;
}
