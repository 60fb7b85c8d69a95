#include "tls_support.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Says its port; counts sessions. /hold is answered after /release was asked for, /arrived when all
 * 250 are held; /slow takes 300 ms, /reset and anything else speak for themselves. */
static char http2_script[] =
    "const fs = require('fs'), http2 = require('http2');"
    "let sessions = 0, held = [], arrived = () => {}, released = false;"
    "const server = http2.createSecureServer({cert: fs.readFileSync(process.argv[1]),"
    "  key: fs.readFileSync(process.argv[2]), settings: {maxConcurrentStreams: 100}});"
    "server.on('session', () => sessions++);"
    "server.on('stream', (stream, headers) => {"
    "  let bytes = 0;"
    "  const answer = () => {"
    "    if (stream.destroyed || stream.headersSent) return;"
    "    stream.respond({':status': 200, 'x-sessions': String(sessions)});"
    "    stream.end(String(bytes));"
    "  };"
    "  stream.on('error', () => {});"
    "  stream.on('data', (data) => { bytes += data.length; });"
    "  stream.on('end', () => {"
    "    switch (headers[':path']) {"
    "    case '/reset': stream.close(2); return;"
    "    case '/slow': setTimeout(answer, 300); return;"
    "    case '/arrived': arrived = answer; break;"
    "    case '/release': released = true; held.forEach((one) => one()); answer(); return;"
    "    case '/hold': if (released) answer(); else held.push(answer); break;"
    "    default: answer();"
    "    }"
    "    if (held.length >= 250) arrived();"
    "  });"
    "});"
    "server.listen(0, '127.0.0.1', () => console.log('ACCEPT 127.0.0.1:' + "
    "server.address().port));";

static pid_t start(char *const arguments[], int output_fd)
{
    pid_t pid = fork();

    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed assertion skips the clean-up */
        dup2(output_fd, 1);
        execvp(arguments[0], arguments);
        _exit(127);
    }
    return pid;
}

static void make_certificate(struct tls_server *tls)
{
    char *arguments[] = {"openssl",
                         "req",
                         "-x509",
                         "-newkey",
                         "ec",
                         "-pkeyopt",
                         "ec_paramgen_curve:prime256v1",
                         "-nodes",
                         "-subj",
                         "/CN=localhost",
                         "-addext",
                         "subjectAltName=IP:127.0.0.1",
                         "-days",
                         "2",
                         "-keyout",
                         tls->key,
                         "-out",
                         tls->cert,
                         NULL};
    int status = -1;

    snprintf(tls->folder, sizeof(tls->folder), "/tmp/http-client-tls-XXXXXX");
    cr_assert_not_null(mkdtemp(tls->folder));
    snprintf(tls->cert, sizeof(tls->cert), "%s/cert.pem", tls->folder);
    snprintf(tls->key, sizeof(tls->key), "%s/key.pem", tls->folder);
    cr_assert_gt(waitpid(start(arguments, 2), &status, 0), 0);
    cr_assert_eq(status, 0, "openssl made no certificate");
}

void tls_server_start(struct tls_server *tls, enum tls_kind kind)
{
    char *s_server[] = {"openssl", "s_server", "-accept", "127.0.0.1:0", "-cert",
                        tls->cert, "-key",     tls->key,  "-www",        NULL};
    char *node[] = {"node", "-e", http2_script, tls->cert, tls->key, NULL};
    char line[256];
    int output[2];
    FILE *lines;

    make_certificate(tls);
    cr_assert_eq(pipe(output), 0);
    tls->pid = start(kind == TLS_S_SERVER ? s_server : node, output[1]);
    close(output[1]);
    lines = fdopen(output[0], "r");
    tls->port = 0;
    while (tls->port == 0 && fgets(line, sizeof(line), lines))
        if (sscanf(line, "ACCEPT 127.0.0.1:%d", &tls->port) == 1)
            break;
    cr_assert_gt(tls->port, 0, "the TLS server did not start");
}

void tls_server_stop(struct tls_server *tls)
{
    kill(tls->pid, SIGKILL);
    waitpid(tls->pid, NULL, 0);
    unlink(tls->cert);
    unlink(tls->key);
    rmdir(tls->folder);
}
