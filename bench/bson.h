/* Writing and reading BSON documents, as far as bench/estate.c needs it (bsonspec.org). */
#ifndef BSON_H
#define BSON_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { DOUBLE = 1, STRING = 2, DOCUMENT = 3, ARRAY = 4, BINARY = 5, OID = 7,
       BOOL = 8, DATE = 9, INT32 = 16, TIMESTAMP = 17, INT64 = 18 };

/* Writing BSON. A document's length is put in when it is closed. */

struct writer { uint8_t *at, *end; int full; };

static void bytes(struct writer *w, const void *data, size_t length) {
    if (w->full || (size_t)(w->end - w->at) < length) { w->full = 1; return; }
    memcpy(w->at, data, length);
    w->at += length;
}
static void field(struct writer *w, uint8_t type, const char *name) { bytes(w, &type, 1); bytes(w, name, strlen(name) + 1); }
static void text(struct writer *w, const char *name, const char *value) {
    int32_t length = strlen(value) + 1;
    field(w, STRING, name); bytes(w, &length, 4); bytes(w, value, length);
}
static void int32(struct writer *w, const char *name, int32_t value) { field(w, INT32, name); bytes(w, &value, 4); }
static void int64(struct writer *w, const char *name, int64_t value) { field(w, INT64, name); bytes(w, &value, 8); }
static void date(struct writer *w, const char *name, int64_t value) { field(w, DATE, name); bytes(w, &value, 8); }
static void real(struct writer *w, const char *name, double value) { field(w, DOUBLE, name); bytes(w, &value, 8); }
static void boolean(struct writer *w, const char *name, uint8_t value) { field(w, BOOL, name); bytes(w, &value, 1); }
static void oid(struct writer *w, const char *name, uint32_t seconds, uint64_t rest) {
    uint8_t id[12] = { seconds >> 24, seconds >> 16, seconds >> 8, seconds };
    memcpy(id + 4, &rest, 8);
    field(w, OID, name); bytes(w, id, 12);
}
static void timestamp(struct writer *w, const char *name, uint32_t seconds) {
    uint32_t parts[2] = { 1, seconds };
    field(w, TIMESTAMP, name); bytes(w, parts, 8);
}
static uint8_t *begin(struct writer *w, uint8_t type, const char *name) {
    if (name) field(w, type, name);
    uint8_t *start = w->at;
    bytes(w, "\0\0\0", 4);
    return start;
}
static void close(struct writer *w, uint8_t *start) {
    bytes(w, "", 1);
    int32_t length = w->at - start;
    if (!w->full) memcpy(start, &length, 4);
}
static const char *place(int number) { /* an array's keys are its places in decimal */
    static char digits[12];
    char *at = digits + 11;
    do *--at = '0' + number % 10; while (number /= 10);
    return at;
}

/* Reading BSON: the value of one field, and its type. */

static uint32_t get32(const uint8_t *at) { uint32_t v; memcpy(&v, at, 4); return v; }

/* NULL where there is none. `document` may be NULL, and need not be whole: `end` bounds it. */
static const uint8_t *find(const uint8_t *document, const uint8_t *end, const char *name, uint8_t *type) {
    if (!document || end - document < 5) return NULL;
    for (const uint8_t *at = document + 4; at < end && *at;) {
        uint8_t found = *at++;
        const uint8_t *key = at, *zero = memchr(at, 0, end - at);
        if (!zero) return NULL;
        at = zero + 1;
        size_t size;
        switch (found) {
        case BOOL: size = 1; break;
        case INT32: size = 4; break;
        case DOUBLE: case DATE: case INT64: case TIMESTAMP: size = 8; break;
        case OID: size = 12; break;
        case 10: case 0x7f: case 0xff: size = 0; break; /* null, the largest and the smallest key */
        case STRING: case DOCUMENT: case ARRAY: case BINARY:
            if (end - at < 5) return NULL;
            size = get32(at) + (found == STRING ? 4 : found == BINARY ? 5 : 0);
            break;
        default: return NULL;
        }
        if ((size_t)(end - at) < size) return NULL;
        if (!strcmp((const char *)key, name)) { *type = found; return at; }
        at += size;
    }
    return NULL;
}

static const char *find_text(const uint8_t *document, const uint8_t *end, const char *name) {
    uint8_t type = 0;
    const uint8_t *value = find(document, end, name, &type);
    return value && type == STRING && get32(value) && !value[3 + get32(value)] ? (const char *)value + 4 : "";
}

static int find_truth(const uint8_t *document, const uint8_t *end, const char *name) {
    uint8_t type = 0;
    const uint8_t *value = find(document, end, name, &type);
    return value && (type == BOOL || type == INT32) && *value;
}
#endif
