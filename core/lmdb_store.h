/* lmdb_store.h - tables of bytes in one LMDB file; the only doorkeeper of lmdb */
#ifndef CORE_LMDB_STORE_H
#define CORE_LMDB_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

struct store;        /* heap object: an open file */
struct store_cursor; /* heap object */

struct
    store_table { /* tables are named by their index in the list given at the opening */
    const char *name;
    bool has_duplicates; /* a key may have several values, all of one size, kept sorted */
};

struct store_value {
    const unsigned char *data; /* borrowed, see below */
    size_t size;
};

enum store_mode {
    STORE_READ, /* a published file: it must exist, with all tables */
    STORE_WRITE /* made when it is not there; one process, no lock, no fsync */
};

/* The first pages are checked before LMDB sees them. A file behind which other bytes
 * stand (a footer) is fine. ERROR_DAMAGED: not such a file. ERROR_FULL, ERROR_IO. */
enum error_code store_open(const char *path, enum store_mode mode,
                           const struct store_table *tables, size_t table_count,
                           struct store **store, struct error *error);
void store_close(struct store *store); /* forgets what was not committed */

/* ---- writing: one transaction, begun by the first put ---- */

enum store_put {
    STORE_SET,    /* add or replace; tables with duplicates: add unless it is there */
    STORE_APPEND, /* the key is greater than every other: faster, and packs pages full */
};

/* Any error of the functions below takes the whole transaction back, and the store
 * remains usable. ERROR_FULL: "disk full: PATH". */
enum error_code store_put(struct store *store, size_t table, const void *key,
                          size_t key_size, const void *data, size_t size,
                          enum store_put how, struct error *error);
/* ERROR_CLOSED (and the transaction stays): there was none. */
enum error_code store_delete(struct store *store, size_t table, const void *key,
                             size_t key_size, struct error *error);
enum error_code store_clear_table(struct store *store, size_t table, struct error *error);
/* As the transaction sees it; borrowed until the next put. ERROR_CLOSED: there is none. */
enum error_code store_peek(struct store *store, size_t table, const void *key,
                           size_t key_size, struct store_value *value,
                           struct error *error);
enum error_code store_commit(struct store *store, struct error *error);
void store_rollback(struct store *store);

/* Bytes of the file as of the last commit, without anything behind. */
uint64_t store_bytes(const struct store *store);
/* Let the disk begin with these bytes of the file: see platform_begin_writeback(). */
void store_begin_writeback(const struct store *store, uint64_t offset, uint64_t size);
/* How many values a table has, as of the last commit. */
enum error_code store_count(struct store *store, size_t table, uint64_t *count,
                            struct error *error);
/* A copy without free pages to an open file. */
enum error_code store_copy(struct store *store, int file, struct error *error);

/* ---- reading, as of the last commit ----
 *
 * Values are borrowed until store_close() from a STORE_READ file, and until the next
 * commit otherwise. A cursor keeps its view over one commit of the same store, no more. */

/* ERROR_CLOSED: there is no such key. */
enum error_code store_get(struct store *store, size_t table, const void *key,
                          size_t key_size, struct store_value *value,
                          struct error *error);

enum error_code store_cursor_open(struct store *store, size_t table,
                                  struct store_cursor **cursor, struct error *error);
void store_cursor_close(struct store_cursor *cursor);
/* Go to the first key at or behind this one. ERROR_CLOSED: there is none. */
enum error_code store_cursor_seek(struct store_cursor *cursor, const void *key,
                                  size_t key_size, struct store_value *found_key,
                                  struct store_value *value, struct error *error);
/* The last key before the one that seek would find. ERROR_CLOSED: there is none. */
enum error_code store_cursor_seek_before(struct store_cursor *cursor, const void *key,
                                         size_t key_size, struct store_value *found_key,
                                         struct store_value *value, struct error *error);
enum error_code store_cursor_next(struct store_cursor *cursor,
                                  struct store_value *found_key,
                                  struct store_value *value, struct error *error);

#endif
