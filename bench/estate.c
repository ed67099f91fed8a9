/* The servers of an estate, each different: replies in the shapes that MongoDB 7.1 and 8.0 send, field by field.
 *
 * Everything about a server follows from a hash of its address, so nothing is kept. Half of them are members of
 * replica sets, whose replies carry the cluster's time. Two collections in sixteen are small or empty. OP_QUERY is
 * answered for every command, as up to MongoDB 5.0: else a peer that asks by it would learn nothing.
 */
#include <string.h>
#include <strings.h>
#include <time.h>
#include "bson.h"
#include "estate.h"
#include "words.h"

/* One server. */

struct server { const struct estate *estate; uint64_t seed; uint32_t address, name, now; int version, set; };
enum { ABOUT_SERVER = 1, ABOUT_SIZES, ABOUT_IDS, ABOUT_NAMES, ABOUT_HOST };

static uint64_t mixed(uint64_t value) { /* the finaliser of splitmix64 */
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9ull;
    value = (value ^ value >> 27) * 0x94d049bb133111ebull;
    return value ^ value >> 31;
}
static uint64_t drawn(const struct server *s, int about, int database, int collection) {
    return mixed(s->seed + about * 0x9e3779b97f4a7c15ull + database * 0x1000003 + collection + 1);
}
static char *add(char *at, const char *words) { size_t n = strlen(words); memcpy(at, words, n + 1); return at + n; }
static char *add_hex(char *at, uint32_t value, int digits) {
    while (digits--) *at++ = "0123456789abcdef"[value >> 4 * digits & 15];
    *at = 0;
    return at;
}

/* Names in the order of the alphabet. Some are met on other servers; each fourth, and so one of each server, is not. */
static const char *name_of(const struct server *s, int database, int collection, char *out) {
    int many = collection < 0 ? s->estate->databases : s->estate->collections, n = collection < 0 ? database : collection;
    uint64_t own = drawn(s, ABOUT_NAMES, database, collection);
    const char *const *words = collection < 0 ? DATABASES : COLLECTIONS;
    char *at = add(out, words[n * WORDS / many + own % (WORDS / many)]);
    if (n % 4) add(at, ENDS[own >> 8 & 7]);
    else add_hex(add(at, "_"), collection < 0 ? s->name : (uint32_t)(own >> 16), collection < 0 ? 8 : 3);
    return out;
}

static const char *host_of(const struct server *s, int member, char *out) {
    uint64_t own = drawn(s, ABOUT_HOST, 0, 0);
    char *at = add_hex(add(out, own & 1 ? "mongo-" : "db"), own >> 8, 3 + (own >> 1 & 3));
    at = add(at, member == 0 ? "-a." : member == 1 ? "-b." : "-c.");
    add(add(at, SITES[own >> 4 & 3]), ":27017");
    return out;
}

static int documents_of(const struct server *s, int database, int collection) {
    uint64_t own = drawn(s, ABOUT_SIZES, database, collection);
    int kind = own & 15;
    return kind == 0 ? 0 : kind == 1 ? 1 + (own >> 8) % FEW : FEW + 1 + (own >> 8) % 2000000;
}
static int document_bytes(const struct server *s, int database) { return 60 + drawn(s, ABOUT_SIZES, database, -1) % 900; }

static int64_t documents_in(const struct server *s, int database) {
    int64_t sum = 0;
    for (int c = 0; c < s->estate->collections; c++) sum += documents_of(s, database, c);
    return sum;
}
static int64_t stored(int64_t size) { return (size / 2 + 4096) & ~4095ll; }
static int64_t indexed(int64_t documents) { return (documents * 12 + 8191) & ~4095ll; }
static int64_t on_disk(const struct server *s, int database) {
    int64_t documents = documents_in(s, database);
    return stored(documents * document_bytes(s, database)) + indexed(documents) + 4096 * s->estate->collections;
}

/* Which of its names this is, or -1. They are sorted. */
static int index_of(const struct server *s, int database, const char *name) {
    char own[64];
    int low = 0, high = database < 0 ? s->estate->databases : s->estate->collections;
    while (low < high) {
        int middle = (low + high) / 2;
        int order = strcmp(database < 0 ? name_of(s, middle, -1, own) : name_of(s, database, middle, own), name);
        if (!order) return middle;
        if (order < 0) low = middle + 1; else high = middle;
    }
    return -1;
}

/* Replies. */

static void cluster_time(const struct server *s, struct writer *w) {
    if (!s->set) return;
    uint8_t *outer = begin(w, DOCUMENT, "$clusterTime");
    timestamp(w, "clusterTime", s->now);
    uint8_t *inner = begin(w, DOCUMENT, "signature");
    static const uint8_t hash[25] = { 20 };
    field(w, BINARY, "hash"); bytes(w, hash, sizeof hash);
    int64(w, "keyId", 0);
    close(w, inner);
    close(w, outer);
    timestamp(w, "operationTime", s->now);
}

static void error(struct writer *w, int code, const char *name, const char *why) {
    real(w, "ok", 0); text(w, "errmsg", why); int32(w, "code", code); text(w, "codeName", name);
}

static void op_time(const struct server *s, struct writer *w, const char *name) {
    uint8_t *inner = begin(w, DOCUMENT, name);
    timestamp(w, "ts", s->now - 2); int64(w, "t", 3);
    close(w, inner);
}

static void hello(const struct server *s, struct writer *w, int hello_ok, int by_hello) {
    static int32_t connections;
    char name[80];
    uint64_t own = drawn(s, ABOUT_IDS, 0, 0);
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    if (hello_ok) boolean(w, "helloOk", 1);
    if (!s->set) boolean(w, by_hello ? "isWritablePrimary" : "ismaster", 1);
    uint8_t *inner = begin(w, DOCUMENT, "topologyVersion");
    oid(w, "processId", s->now - 3600 - own % (400 * DAY), mixed(s->address)); int64(w, "counter", s->set ? 6 : 0);
    close(w, inner);
    if (s->set) {
        int me = own % 3;
        inner = begin(w, ARRAY, "hosts");
        for (int i = 0; i < 3; i++) text(w, place(i), host_of(s, i, name));
        close(w, inner);
        add_hex(add(add(name, DATABASES[own >> 8 & 31]), own & 64 ? "-rs" : "_rs"), own >> 16, 2);
        text(w, "setName", name); int32(w, "setVersion", 1 + (own >> 24 & 7));
        boolean(w, by_hello ? "isWritablePrimary" : "ismaster", me == 0); boolean(w, "secondary", me != 0);
        text(w, "primary", host_of(s, 0, name)); text(w, "me", host_of(s, me, name));
        if (!me) oid(w, "electionId", 0x7fffffff, 0x0300000000000000ull);
        inner = begin(w, DOCUMENT, "lastWrite");
        op_time(s, w, "opTime"); date(w, "lastWriteDate", (s->now - 2) * 1000ll);
        op_time(s, w, "majorityOpTime"); date(w, "majorityWriteDate", (s->now - 2) * 1000ll);
        close(w, inner);
    }
    int32(w, "maxBsonObjectSize", 16777216); int32(w, "maxMessageSizeBytes", 48000000); int32(w, "maxWriteBatchSize", 100000);
    date(w, "localTime", t.tv_sec * 1000ll + t.tv_nsec / 1000000 + own % 800);
    int32(w, "logicalSessionTimeoutMinutes", 30); int32(w, "connectionId", ++connections);
    int32(w, "minWireVersion", 0); int32(w, "maxWireVersion", VERSIONS[s->version].wire); boolean(w, "readOnly", 0);
    real(w, "ok", 1);
}

static void build_info(const struct server *s, struct writer *w) {
    char git[48] = "";
    for (int i = 0; i < 5; i++) add_hex(git + 8 * i, mixed(s->version * 8 + i), 8);
    text(w, "version", VERSIONS[s->version].text); text(w, "gitVersion", git);
    close(w, begin(w, ARRAY, "modules"));
    text(w, "allocator", "tcmalloc"); text(w, "javascriptEngine", "mozjs"); text(w, "sysInfo", "deprecated");
    uint8_t *inner = begin(w, ARRAY, "versionArray");
    for (int i = 0; i < 4; i++) int32(w, place(i), i < 3 ? VERSIONS[s->version].parts[i] : 0);
    close(w, inner);
    inner = begin(w, DOCUMENT, "openssl");
    text(w, "running", "OpenSSL 3.0.2 15 Mar 2022"); text(w, "compiled", "OpenSSL 3.0.2 15 Mar 2022");
    close(w, inner);
    inner = begin(w, DOCUMENT, "buildEnvironment");
    text(w, "distmod", "ubuntu2204"); text(w, "distarch", "x86_64");
    text(w, "cc", "/opt/mongodbtoolchain/v4/bin/gcc: gcc (GCC) 11.3.0"); text(w, "ccflags", FLAGS);
    text(w, "cxx", "/opt/mongodbtoolchain/v4/bin/g++: g++ (GCC) 11.3.0");
    text(w, "cxxflags", "-Woverloaded-virtual -Wpessimizing-move -Wno-undefined-var-template -fsized-deallocation -std=c++20");
    text(w, "linkflags", "-Wl,--fatal-warnings -B/opt/mongodbtoolchain/v4/bin -gdwarf-5 -pthread -Wl,-z,now -fuse-ld=lld -rdynamic");
    text(w, "target_arch", "x86_64"); text(w, "target_os", "linux");
    text(w, "cppdefines", "SAFEINT_USE_INTRINSICS 0 PCRE2_STATIC NDEBUG _XOPEN_SOURCE 700 _GNU_SOURCE _FORTIFY_SOURCE 2");
    close(w, inner);
    int32(w, "bits", 64); boolean(w, "debug", 0); int32(w, "maxBsonObjectSize", 16777216);
    inner = begin(w, ARRAY, "storageEngines");
    text(w, "0", "devnull"); text(w, "1", "wiredTiger");
    close(w, inner);
    real(w, "ok", 1);
}

static void list_databases(const struct server *s, struct writer *w, int name_only) {
    char name[64];
    int64_t total = 0;
    uint8_t *list = begin(w, ARRAY, "databases");
    for (int d = 0; d < s->estate->databases; d++) {
        uint8_t *inner = begin(w, DOCUMENT, place(d));
        text(w, "name", name_of(s, d, -1, name));
        if (!name_only) {
            int64_t size = on_disk(s, d);
            total += size;
            int64(w, "sizeOnDisk", size); boolean(w, "empty", 0);
        }
        close(w, inner);
    }
    close(w, list);
    if (!name_only) { int64(w, "totalSize", total); int64(w, "totalSizeMb", total >> 20); }
    real(w, "ok", 1);
}

static void db_stats(const struct server *s, struct writer *w, const char *name, int d) {
    int64_t documents = d < 0 ? 0 : documents_in(s, d), size = d < 0 ? 0 : documents * document_bytes(s, d);
    int64_t disk = d < 0 ? 0 : on_disk(s, d), keys = d < 0 ? 0 : indexed(documents);
    text(w, "db", name); int32(w, "collections", d < 0 ? 0 : s->estate->collections); int32(w, "views", 0);
    int64(w, "objects", documents); real(w, "avgObjSize", documents ? (double)size / documents : 0);
    real(w, "dataSize", size); real(w, "storageSize", disk - keys); int32(w, "indexes", d < 0 ? 0 : s->estate->collections);
    real(w, "indexSize", keys); real(w, "totalSize", disk); int32(w, "scaleFactor", 1);
    real(w, "fsUsedSize", 201311846400.0); real(w, "fsTotalSize", 270553174016.0); real(w, "ok", 1);
}

static void id_index(struct writer *w, const char *field_name, const char *key, const char *name) {
    uint8_t *outer = begin(w, DOCUMENT, field_name);
    int32(w, "v", 2);
    uint8_t *inner = begin(w, DOCUMENT, "key");
    int32(w, key, 1);
    close(w, inner);
    text(w, "name", name);
    close(w, outer);
}

/* What the catalogue holds besides names and types, with UUIDs. */
static void catalogue(const struct server *s, struct writer *w, int d, int c) {
    uint64_t id[2] = { drawn(s, ABOUT_IDS, d + 1, c), drawn(s, ABOUT_NAMES, d + 1, c) };
    uint8_t binary[21] = { 16, 0, 0, 0, 4 };
    memcpy(binary + 5, id, 16);
    close(w, begin(w, DOCUMENT, "options"));
    uint8_t *info = begin(w, DOCUMENT, "info");
    boolean(w, "readOnly", 0);
    field(w, BINARY, "uuid"); bytes(w, binary, sizeof binary);
    close(w, info);
    id_index(w, "idIndex", "_id", "_id_");
}

static void list_collections(const struct server *s, struct writer *w, const char *database, int d, int name_only) {
    char name[128];
    uint8_t *cursor = begin(w, DOCUMENT, "cursor");
    int64(w, "id", 0);
    add(add(name, database), ".$cmd.listCollections");
    text(w, "ns", name);
    uint8_t *list = begin(w, ARRAY, "firstBatch");
    for (int c = 0; d >= 0 && c < s->estate->collections; c++) {
        uint8_t *inner = begin(w, DOCUMENT, place(c));
        text(w, "name", name_of(s, d, c, name)); text(w, "type", "collection");
        if (!name_only) catalogue(s, w, d, c);
        close(w, inner);
    }
    close(w, list);
    close(w, cursor);
    real(w, "ok", 1);
}

static void sizes(const struct server *s, struct writer *w, int d, int c) {
    int documents = documents_of(s, d, c), each = document_bytes(s, d);
    int64_t size = (int64_t)documents * each;
    int64(w, "size", size); int32(w, "count", documents);
    if (documents) int32(w, "avgObjSize", each);
    int64(w, "storageSize", stored(size)); boolean(w, "capped", 0); int64(w, "totalIndexSize", indexed(documents));
}

/* The end of the index on _id that is asked for, or nothing: of no document, and of none that is from the future. */
static void id_end(const struct server *s, struct writer *w, const uint8_t *range, const uint8_t *order, const uint8_t *end, int d, int c, int as_date) {
    uint8_t type = 0;
    const uint8_t *bounds = find(range, end, "_id", &type);
    const uint8_t *from = find(bounds, end, "$gte", &type), *way = find(order, end, "_id", &type);
    int beyond = from && get32(from) != 0, oldest = way && type == INT32 && get32(way) == 1;
    if (d < 0 || c < 0 || beyond || !documents_of(s, d, c)) return;
    uint64_t own = drawn(s, ABOUT_IDS, d + 1, c);
    uint32_t newest = s->now - 60 - own % (own & 1 ? DAY : 300 * DAY);
    uint32_t at = oldest ? newest - 1 - (own >> 32) % (900 * DAY) : newest;
    uint8_t *inner = begin(w, DOCUMENT, "0");
    if (as_date) date(w, "t", at * 1000ll); else oid(w, "_id", at, own);
    close(w, inner);
}

static void operations(struct writer *w, const char *name, int64_t number) {
    uint8_t *inner = begin(w, DOCUMENT, name);
    int64(w, "ops", number);
    close(w, inner);
}

/* The index on _id, and on each fourth collection one more. They count since the process started. */
static void index_stats(const struct server *s, struct writer *w, int d, int c) {
    uint64_t own = drawn(s, ABOUT_SIZES, d, c), start = drawn(s, ABOUT_IDS, 0, 0);
    char host[80];
    for (int i = 0; i < 1 + !(own >> 40 & 3); i++) {
        uint8_t *row = begin(w, DOCUMENT, place(i));
        const char *key = i ? "email" : "_id", *name = i ? "email_1" : "_id_";
        text(w, "name", name);
        uint8_t *inner = begin(w, DOCUMENT, "key");
        int32(w, key, 1);
        close(w, inner);
        text(w, "host", host_of(s, 0, host));
        inner = begin(w, DOCUMENT, "accesses");
        int64(w, "ops", own >> 32 & 0xffff); date(w, "since", (s->now - 3600 - start % (400 * DAY)) * 1000ll + 370);
        close(w, inner);
        id_index(w, "spec", key, name);
        close(w, row);
    }
}

static void server_status(const struct server *s, struct writer *w) {
    static const char *const KINDS[] = { "insert", "query", "update", "delete", "getmore", "command" };
    static const char *const PARTS[] = { "deleted", "inserted", "returned", "updated" };
    uint64_t own = drawn(s, ABOUT_IDS, 0, 0);
    int64_t up = 3600 + own % (400 * DAY);
    char host[80];
    text(w, "host", host_of(s, 0, host)); text(w, "version", VERSIONS[s->version].text); text(w, "process", "mongod");
    int64(w, "pid", 4711); real(w, "uptime", up); int64(w, "uptimeMillis", up * 1000); int64(w, "uptimeEstimate", up);
    date(w, "localTime", s->now * 1000ll);
    uint8_t *inner = begin(w, DOCUMENT, "connections");
    int32(w, "current", 3 + (own & 15)); int32(w, "available", 51000); int32(w, "totalCreated", 61 + (own >> 8 & 1023));
    close(w, inner);
    inner = begin(w, DOCUMENT, "opcounters");
    for (int i = 0; i < 6; i++) int64(w, KINDS[i], own >> (8 * i) & 0xffff);
    close(w, inner);
    uint8_t *outer = begin(w, DOCUMENT, "metrics");
    inner = begin(w, DOCUMENT, "document");
    for (int i = 0; i < 4; i++) int64(w, PARTS[i], own >> (8 * i) & 0xfffff);
    close(w, inner);
    close(w, outer);
    real(w, "ok", 1);
}

/* aggregate with $collStats, $indexStats or the end of ids, and find with the latter: one batch each. */
static void batch(const struct server *s, struct writer *w, const uint8_t *document, const uint8_t *end, const char *database, const char *collection) {
    int d = index_of(s, -1, database), c = d < 0 ? -1 : index_of(s, d, collection);
    uint8_t type = 0, *cursor = NULL, *list, *inner, *stats;
    const uint8_t *stages = find(document, end, "pipeline", &type), *first = find(stages, end, "0", &type);
    const uint8_t *match = find(first, end, "$match", &type), *second = find(stages, end, "1", &type);
    char name[160];
    const uint8_t *of_indexes = find(first, end, "$indexStats", &type), *of_sizes = find(first, end, "$collStats", &type);
    if (stages && !match && !of_indexes && (!of_sizes || c < 0)) {
        error(w, 26, "NamespaceNotFound", "Collection not found.");
        return;
    }
    cursor = begin(w, DOCUMENT, "cursor");
    list = begin(w, ARRAY, "firstBatch");
    add(add(add(name, database), "."), collection);
    if (!stages) {
        id_end(s, w, find(document, end, "filter", &type), find(document, end, "sort", &type), end, d, c, 0);
    } else if (match) {
        id_end(s, w, match, find(second, end, "$sort", &type), end, d, c, 1);
    } else if (of_indexes) {
        if (c >= 0) index_stats(s, w, d, c);
    } else {
        char host[80];
        inner = begin(w, DOCUMENT, "0");
        text(w, "ns", name); text(w, "host", host_of(s, 0, host));
        if (find(of_sizes, end, "latencyStats", &type)) {
            stats = begin(w, DOCUMENT, "latencyStats");
            operations(w, "reads", drawn(s, ABOUT_SIZES, d, c) >> 16 & 0xffff); operations(w, "writes", documents_of(s, d, c) / 7);
            close(w, stats);
        }
        stats = begin(w, DOCUMENT, "storageStats");
        sizes(s, w, d, c);
        close(w, stats);
        int32(w, "count", documents_of(s, d, c));
        close(w, inner);
    }
    close(w, list);
    int64(w, "id", 0); text(w, "ns", name);
    close(w, cursor);
    real(w, "ok", 1);
}

static void count(const struct server *s, struct writer *w, const char *database, const char *collection) {
    int d = index_of(s, -1, database), c = d < 0 ? -1 : index_of(s, d, collection);
    int32(w, "n", c < 0 ? 0 : documents_of(s, d, c)); real(w, "ok", 1);
}

static void coll_stats(const struct server *s, struct writer *w, const char *database, const char *collection) {
    char name[160];
    int d = index_of(s, -1, database), c = d < 0 ? -1 : index_of(s, d, collection);
    add(add(add(name, database), "."), collection);
    text(w, "ns", name);
    if (c >= 0) sizes(s, w, d, c);
    real(w, "ok", 1);
}

size_t estate_reply(const struct estate *estate, uint32_t address, int legacy, const uint8_t *document,
                    const uint8_t *end, uint8_t *out, size_t room) {
    if (end - document < 6 || !memchr(document + 5, 0, end - document - 5)) return 0;
    const char *command = (const char *)document + 5, *database = legacy ? "admin" : find_text(document, end, "$db");
    const char *collection = document[4] == STRING ? find_text(document, end, command) : "";
    if (strlen(database) > 63 || strlen(collection) > 63) return 0; /* no server here has such names */
    uint32_t who = estate->alike ? 1 : address;
    struct server s = { .estate = estate, .seed = mixed(who), .address = address, .name = who * 0x9e3779b1u, .now = time(NULL) };
    uint64_t own = drawn(&s, ABOUT_SERVER, 0, 0);
    s.version = own % (sizeof VERSIONS / sizeof *VERSIONS);
    s.set = !estate->alike && own >> 8 & 1;
    struct writer w = { out, out + room, 0 };
    uint8_t *whole = begin(&w, DOCUMENT, NULL);
    if (!strcasecmp(command, "hello") || !strcasecmp(command, "isMaster"))
        hello(&s, &w, find_truth(document, end, "helloOk"), !strcasecmp(command, "hello"));
    else if (!strcasecmp(command, "buildInfo")) build_info(&s, &w);
    else if (!strcmp(command, "listDatabases")) list_databases(&s, &w, find_truth(document, end, "nameOnly"));
    else if (!strcmp(command, "dbStats")) db_stats(&s, &w, database, index_of(&s, -1, database));
    else if (!strcmp(command, "listCollections")) list_collections(&s, &w, database, index_of(&s, -1, database), find_truth(document, end, "nameOnly"));
    else if (!strcmp(command, "aggregate") || !strcmp(command, "find")) batch(&s, &w, document, end, database, collection);
    else if (!strcmp(command, "collStats")) coll_stats(&s, &w, database, collection);
    else if (!strcmp(command, "count")) count(&s, &w, database, collection);
    else if (!strcmp(command, "serverStatus")) server_status(&s, &w);
    else if (!strcmp(command, "ping") || !strcmp(command, "endSessions")) real(&w, "ok", 1);
    else error(&w, 59, "CommandNotFound", "no such command");
    cluster_time(&s, &w);
    close(&w, whole);
    return w.full ? 0 : (size_t)(w.at - out);
}
