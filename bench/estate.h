/* What stands behind an address: a MongoDB server of its own, the same one whenever it is asked. */
#ifndef ESTATE_H
#define ESTATE_H
#include <stddef.h>
#include <stdint.h>

/* A port's servers: each holds `databases` user databases of `collections` collections. `alike`: they differ in
 * ids, clocks and counters alone; else in version, set, host names, names and sizes too. */
struct estate { int databases, collections, alike; };

/* The reply document to the command in `document` (which ends before `end`), by the server at `address`.
 * `legacy`: it came by OP_QUERY. Returns its length; 0 when the request makes no sense or `room` is too small. */
size_t estate_reply(const struct estate *estate, uint32_t address, int legacy, const uint8_t *document,
                    const uint8_t *end, uint8_t *out, size_t room);
#endif
