/* Answers MongoDB's first questions on every address of its namespace, with one epoll and no allocation per reply.
 *
 * usage: responder PORT REPLIES
 * REPLIES (made by bench/replies.py) holds records: name length (1 byte), name, document length (4 bytes,
 * little-endian, as BSON has it), document. A command is answered by the record of its name, else by "*".
 * Requests: OP_QUERY (2004) gets OP_REPLY (1), OP_MSG (2013) gets OP_MSG; responseTo is the request's id.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST_FILES = 20000, BUFFER = 4096, MOST_RECORDS = 32, EVENTS = 512, OP_REPLY = 1, OP_QUERY = 2004, OP_MSG = 2013 };

struct record { char name[64]; const uint8_t *document; uint32_t length; };
static struct record records[MOST_RECORDS];
static int record_count;
static uint8_t (*buffers)[BUFFER];
static uint16_t held[MOST_FILES];

static uint32_t get32(const uint8_t *at) { uint32_t v; memcpy(&v, at, 4); return v; }
static void put32(uint8_t *at, uint32_t v) { memcpy(at, &v, 4); }

static void load(const char *path) {
    FILE *file = fopen(path, "rb");
    static uint8_t all[1 << 20];
    if (!file) { perror(path); exit(1); }
    size_t size = fread(all, 1, sizeof all, file), at = 0;
    fclose(file);
    while (at < size && record_count < MOST_RECORDS) {
        struct record *r = &records[record_count++];
        uint8_t length = all[at++];
        memcpy(r->name, all + at, length);
        r->name[length] = 0;
        at += length;
        r->document = all + at;
        r->length = get32(all + at);
        at += r->length;
    }
}

static const struct record *find(const char *name) {
    const struct record *any = &records[0];
    for (int i = 0; i < record_count; i++) {
        if (!strcasecmp(records[i].name, name)) return &records[i];
        if (!strcmp(records[i].name, "*")) any = &records[i];
    }
    return any;
}

/* The name of the first element of a BSON document, which is the command; NULL when it does not fit. */
static const char *first_name(const uint8_t *document, const uint8_t *end) {
    if (document + 6 > end) return NULL;
    const char *name = (const char *)document + 5;
    return memchr(name, 0, end - document - 5) ? name : NULL;
}

static size_t reply_to(const uint8_t *message, uint32_t length, uint8_t *out, size_t room) {
    const uint8_t *end = message + length, *document;
    uint32_t opcode = get32(message + 12);
    if (opcode == OP_MSG) {
        document = message + 21;
    } else if (opcode == OP_QUERY) {
        const uint8_t *zero = memchr(message + 20, 0, length - 20);
        if (!zero) return 0;
        document = zero + 9;
    } else {
        return 0;
    }
    const char *name = first_name(document, end);
    if (!name) return 0;
    const struct record *r = find(name);
    size_t head = opcode == OP_MSG ? 21 : 36;
    if (head + r->length > room) return 0;
    memset(out, 0, head);
    put32(out, head + r->length);
    put32(out + 4, 1);
    memcpy(out + 8, message + 4, 4);
    put32(out + 12, opcode == OP_MSG ? OP_MSG : OP_REPLY);
    if (opcode == OP_QUERY) { put32(out + 16, 8); put32(out + 32, 1); } /* AwaitCapable; one document */
    memcpy(out + head, r->document, r->length);
    return head + r->length;
}

static int drop(int fd) { held[fd] = 0; close(fd); return 0; }

/* Answer what has come. Returns 0 when the connection is over. */
static int serve(int fd) {
    uint8_t out[65536];
    for (;;) {
        ssize_t got = recv(fd, buffers[fd] + held[fd], BUFFER - held[fd], 0);
        if (got < 0 && errno == EAGAIN) return 1;
        if (got <= 0) return drop(fd);
        held[fd] += got;
        size_t at = 0, filled = 0;
        while (held[fd] - at >= 16) {
            uint32_t length = get32(buffers[fd] + at);
            if (length < 26 || length > BUFFER) return drop(fd);
            if (held[fd] - at < length) break;
            size_t made = reply_to(buffers[fd] + at, length, out + filled, sizeof out - filled);
            if (!made) return drop(fd);
            filled += made;
            at += length;
        }
        memmove(buffers[fd], buffers[fd] + at, held[fd] - at);
        held[fd] -= at;
        if (filled && send(fd, out, filled, MSG_NOSIGNAL) != (ssize_t)filled) return drop(fd);
        if (held[fd] < BUFFER) return 1; /* level-triggered: more bytes wake us again */
    }
}

/* Most askers reset the connection as soon as they have their answer. So a connection is watched only when it
 * has outlived that: until then it waits in a queue, and costs no epoll. */
enum { YOUNG_NS = 1000000 };
static struct { int fd; uint64_t since; } young[MOST_FILES];
static unsigned born, grown; /* ends of the queue, counted modulo MOST_FILES */

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void watch(int set, int fd) {
    struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
    epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
}

/* Connections that are old enough: gone, or to be watched from now on. */
static void grow_up(int set) {
    for (uint64_t now = now_ns(); grown != born && young[grown % MOST_FILES].since + YOUNG_NS <= now; grown++) {
        int fd = young[grown % MOST_FILES].fd;
        if (serve(fd)) watch(set, fd);
    }
}

int main(int argc, char **argv) {
    if (argc != 3) { fprintf(stderr, "usage: responder PORT REPLIES\n"); return 2; }
    struct rlimit files = { MOST_FILES, MOST_FILES };
    setrlimit(RLIMIT_NOFILE, &files);
    load(argv[2]);
    buffers = calloc(MOST_FILES, BUFFER);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(listener, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
    setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, &one, sizeof one); /* no wake-up before the request */
    struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(atoi(argv[1])) };
    if (bind(listener, (void *)&any, sizeof any) || listen(listener, 65535)) { perror("listen"); return 1; }
    int set = epoll_create1(0);
    struct epoll_event event = { .events = EPOLLIN, .data.fd = listener }, events[EVENTS];
    epoll_ctl(set, EPOLL_CTL_ADD, listener, &event);
    puts("ready");
    fflush(stdout);
    for (;;) {
        int ready = epoll_wait(set, events, EVENTS, born == grown ? -1 : 1);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (fd != listener) { serve(fd); continue; }
            for (int n = 0; n < 256; n++) {
                int client = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
                if (client < 0) break;
                if (client >= MOST_FILES) { close(client); continue; }
                held[client] = 0;
                if (born - grown >= MOST_FILES - 1) { if (serve(client)) watch(set, client); continue; }
                if (!serve(client)) continue;
                young[born % MOST_FILES].fd = client;
                young[born++ % MOST_FILES].since = now_ns();
            }
        }
        grow_up(set);
    }
}
