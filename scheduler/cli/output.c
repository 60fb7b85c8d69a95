/* Losses of standard output. Why a write failed is known only at the moment when it fails; where
 * that was within printf the reason is lost, and the message does without it.
 */

#include "scheduler/cli/output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "scheduler/cli/terminal.h"
#include "shared/base/error.h"

static int reason; /* errno of the first flush that failed; 0: none did */

void output_open(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    /* For reading: what is written there fails, as it should. */
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)(open("/dev/null", O_RDONLY) < 0);
}

static bool reader_has_left(void)
{
    struct pollfd pipe = {.fd = STDOUT_FILENO, .events = POLLOUT};

    return poll(&pipe, 1, 0) == 1 && (pipe.revents & POLLERR) != 0;
}

int output_check(struct error *err)
{
    if (!ferror(stdout))
        return 0;
    return error_set(err, E_SYSTEM, "standard output can't be written");
}

void output_flush(void)
{
    if (fflush(stdout) != 0 && reason == 0)
        reason = errno;
}

int output_close(int exit_code)
{
    output_flush();
    if (reason == 0 && !ferror(stdout))
        return exit_code;
    if (reason != EPIPE && !reader_has_left())
        terminal_complain("standard output: %s",
                          reason ? strerror(reason) : "some of it could not be written");
    return exit_code == 0 ? 1 : exit_code;
}
