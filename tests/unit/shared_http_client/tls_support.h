#pragma once
/* A self-signed certificate for 127.0.0.1, and a server process of another program that uses it. */

#include <sys/types.h>

struct tls_server {
    char folder[64];
    char cert[96];
    char key[96];
    pid_t pid;
    int port;
};

enum tls_kind { TLS_S_SERVER, TLS_NODE_HTTP2 };

/* Before the loop runs (it forks). Asserts that the server says its port. */
void tls_server_start(struct tls_server *tls, enum tls_kind kind);
void tls_server_stop(struct tls_server *tls);
