/* zmq_keys.h - the file with the CURVE keys of a coordinator and its workers */
#ifndef CORE_ZMQ_KEYS_H
#define CORE_ZMQ_KEYS_H

#include "core/error.h"

enum { ZMQ_KEY_SIZE = 41 }; /* 40 characters of Z85 and a zero */

/* One pair for the coordinator, one that all its workers share: the coordinator takes
 * nobody else, and a worker talks to nobody else. */
struct zmq_keys {
    char server_public[ZMQ_KEY_SIZE], server_secret[ZMQ_KEY_SIZE];
    char client_public[ZMQ_KEY_SIZE], client_secret[ZMQ_KEY_SIZE];
};

/* ERROR_CONFIG: the file cannot be read, others could read it too, or it is not a keys
 * file; the text says what to do. */
enum error_code zmq_keys_load(const char *path, struct zmq_keys *keys,
                              struct error *error);

/* A new file of mode 0600. ERROR_CONFIG when there is one of that name. */
enum error_code zmq_keys_save(const char *path, const struct zmq_keys *keys,
                              struct error *error);

#endif
