/* Answers MongoDB's questions on every address of its namespace, with one epoll and no allocation per reply.
 *
 * usage: responder PORT REPLIES [PORT:DATABASES:COLLECTIONS:alike|different]...
 * On the first port everybody gives the same few replies. REPLIES (made by bench/replies.py) holds records: name
 * length (1 byte), name, document length (4 bytes, little-endian, as BSON has it), document. A command is answered
 * by the record of its name, else by "*". On the others stand the servers of bench/estate.c.
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
#include "estate.h"

enum { MOST_FILES = 20000, LARGEST = 4096, BUFFER = 1 << 16, MOST_RECORDS = 32, MOST_PORTS = 8, EVENTS = 512, OP_REPLY = 1, OP_QUERY = 2004, OP_MSG = 2013 };

struct record { char name[64]; const uint8_t *document; uint32_t length; };
static struct record records[MOST_RECORDS];
static int record_count;

/* `estate` NULL: the first port. `held`: how many bytes of a request that is not whole lie in `parts`. `unsent`: bytes
 * that the socket did not take; nothing is read until it does. */
static struct connection { const struct estate *estate; uint32_t address; uint16_t held; uint8_t *unsent; size_t unsent_length; } connections[MOST_FILES];
static uint8_t (*parts)[LARGEST];
static struct { int listener; struct estate estate; } ports[MOST_PORTS];
static int port_count, set;

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

static size_t reply_to(const struct connection *from, const uint8_t *message, uint32_t length, uint8_t *out, size_t room) {
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
    size_t head = opcode == OP_MSG ? 21 : 36, size;
    if (head > room) return 0;
    if (from->estate) {
        size = estate_reply(from->estate, from->address, opcode == OP_QUERY, document, end, out + head, room - head);
        if (!size) return 0;
    } else {
        const char *name = first_name(document, end);
        if (!name) return 0;
        const struct record *r = find(name);
        size = r->length;
        if (head + size > room) return 0;
        memcpy(out + head, r->document, size);
    }
    memset(out, 0, head);
    put32(out, head + size);
    put32(out + 4, 1);
    memcpy(out + 8, message + 4, 4);
    put32(out + 12, opcode == OP_MSG ? OP_MSG : OP_REPLY);
    if (opcode == OP_QUERY) { put32(out + 16, 8); put32(out + 32, 1); } /* AwaitCapable; one document */
    return head + size;
}

static int drop(int fd) {
    free(connections[fd].unsent);
    memset(&connections[fd], 0, sizeof connections[fd]);
    close(fd);
    return 0;
}

static int watch(int fd, int how, uint32_t events) {
    struct epoll_event event = { .events = events, .data.fd = fd };
    return epoll_ctl(set, how, fd, &event);
}

/* Send, and keep what the socket does not take until it can be written to. Returns 0 when the connection is over. */
static int give(int fd, const uint8_t *data, size_t length) {
    struct connection *c = &connections[fd];
    ssize_t sent = send(fd, data, length, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) return drop(fd);
    if (sent < 0) sent = 0;
    size_t left = length - sent;
    uint8_t *rest = left ? malloc(left) : NULL;
    if (left) memcpy(rest, data + sent, left);
    if ((left || c->unsent) && watch(fd, EPOLL_CTL_MOD, left ? EPOLLOUT : EPOLLIN)) { free(rest); return drop(fd); }
    free(c->unsent);
    c->unsent = rest;
    c->unsent_length = left;
    return 1;
}

/* Answer what has come. Returns 0 when the connection is over. */
static int serve(int fd) {
    static uint8_t in[BUFFER], out[1 << 20];
    struct connection *c = &connections[fd];
    if (c->unsent && !give(fd, c->unsent, c->unsent_length)) return 0;
    if (c->unsent) return 1;
    memcpy(in, parts[fd], c->held);
    ssize_t got = recv(fd, in + c->held, BUFFER - c->held, 0);
    if (got < 0 && errno == EAGAIN) return 1;
    if (got <= 0) return drop(fd);
    size_t all = c->held + got, at = 0, filled = 0;
    while (all - at >= 16) {
        uint32_t length = get32(in + at);
        if (length < 26 || length > LARGEST) return drop(fd);
        if (all - at < length) break;
        size_t made = reply_to(c, in + at, length, out + filled, sizeof out - filled);
        if (!made) return drop(fd);
        filled += made;
        at += length;
    }
    c->held = all - at;
    memcpy(parts[fd], in + at, c->held);
    return filled ? give(fd, out, filled) : 1; /* level-triggered: more bytes wake us again */
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

/* Connections that are old enough: gone, or to be watched from now on. */
static void grow_up(void) {
    for (uint64_t now = now_ns(); grown != born && young[grown % MOST_FILES].since + YOUNG_NS <= now; grown++) {
        int fd = young[grown % MOST_FILES].fd;
        if (serve(fd)) watch(fd, EPOLL_CTL_ADD, EPOLLIN);
    }
}

static int listen_on(int number) {
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(listener, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
    setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, &one, sizeof one); /* no wake-up before the request */
    struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(number) };
    if (bind(listener, (void *)&any, sizeof any) || listen(listener, 65535)) { perror("listen"); exit(1); }
    watch(listener, EPOLL_CTL_ADD, EPOLLIN);
    return listener;
}

/* One connection that was accepted. Those to an estate ask more than once, and are watched at once. */
static void welcome(int fd, int port) {
    struct connection *c = &connections[fd];
    if (port) {
        struct sockaddr_in own = { 0 };
        socklen_t length = sizeof own;
        getsockname(fd, (void *)&own, &length);
        c->address = ntohl(own.sin_addr.s_addr);
        c->estate = &ports[port].estate;
        watch(fd, EPOLL_CTL_ADD, EPOLLIN);
        serve(fd);
    } else if (born - grown >= MOST_FILES - 1) {
        if (serve(fd)) watch(fd, EPOLL_CTL_ADD, EPOLLIN);
    } else if (serve(fd)) {
        young[born % MOST_FILES].fd = fd;
        young[born++ % MOST_FILES].since = now_ns();
    }
}

/* The port whose listener this is, or -1. */
static int port_of(int fd) {
    for (int i = 0; i < port_count; i++)
        if (ports[i].listener == fd) return i;
    return -1;
}

int main(int argc, char **argv) {
    if (argc < 3 || argc > MOST_PORTS + 2) { fprintf(stderr, "usage: responder PORT REPLIES [PORT:DATABASES:COLLECTIONS:alike|different]...\n"); return 2; }
    struct rlimit files = { MOST_FILES, MOST_FILES };
    setrlimit(RLIMIT_NOFILE, &files);
    load(argv[2]);
    parts = calloc(MOST_FILES, LARGEST);
    set = epoll_create1(0);
    ports[port_count++].listener = listen_on(atoi(argv[1]));
    for (int i = 3; i < argc; i++) {
        int number;
        char kind[16];
        struct estate *e = &ports[port_count].estate;
        if (sscanf(argv[i], "%d:%d:%d:%15s", &number, &e->databases, &e->collections, kind) != 4) { fprintf(stderr, "%s?\n", argv[i]); return 2; }
        e->alike = !strcmp(kind, "alike");
        ports[port_count++].listener = listen_on(number);
    }
    struct epoll_event events[EVENTS];
    puts("ready");
    fflush(stdout);
    for (;;) {
        int ready = epoll_wait(set, events, EVENTS, born == grown ? -1 : 1);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            int port = port_of(fd);
            if (port < 0) { serve(fd); continue; }
            for (int n = 0; n < 256; n++) {
                int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK);
                if (client < 0) break;
                if (client >= MOST_FILES) { close(client); continue; }
                welcome(client, port);
            }
        }
        grow_up();
    }
}
