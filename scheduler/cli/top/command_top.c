/* `penstock top`: what the pages of metrics say, again and again. */

#include <stdio.h>
#include <unistd.h>

#include "scheduler/cli/client_command.h"
#include "scheduler/cli/interrupt.h"
#include "scheduler/cli/output.h"
#include "scheduler/cli/terminal.h"
#include "scheduler/cli/top/top_page.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/fiber/fiber.h"
#include "shared/http_client/http_client.h"

#define PAGES_MAX  33 /* a scheduler's and those of workers */
#define PAGE_BYTES ((size_t)8 << 20)
#define PAGE_MS    5000
#define MODELS_MAX 10
#define CLEAR      "\x1b[H\x1b[J"
#define SCREEN_ON  "\x1b[?1049h\x1b[?25l"
#define SCREEN_OFF "\x1b[?25h\x1b[?1049l"

struct page {
    char url[512];
    struct buf now;
    struct buf before;
    char trouble[160]; /* why there is none now; "": there is one */
};

struct top {
    struct client *client;
    struct page pages[PAGES_MAX]; /* the scheduler's first */
    size_t count;
    int64_t looked_us;
    double seconds; /* between the two looks; 0: there was one only */
};

static void look_at(struct top *top, struct page *page)
{
    struct http_response response = {0};
    struct http_call call = {.method = "GET",
                             .url = page->url,
                             .total_timeout_ms = PAGE_MS,
                             .max_body_bytes = PAGE_BYTES};
    struct error err = {0};
    struct buf kept = page->before;

    page->before = page->now;
    page->now = kept;
    buf_reset(&page->now);
    page->trouble[0] = '\0';
    if (http_call(top->client->http, &call, &response, &err) < 0)
        text_excerpt(text_of(err.text), page->trouble, sizeof(page->trouble));
    else if (response.status != 200)
        (void)snprintf(page->trouble, sizeof(page->trouble), "status %d", response.status);
    else
        buf_add_text(&page->now, response.body);
    http_response_deinit(&response);
}

static void look(struct top *top)
{
    int64_t now_us = clock_us();

    top->seconds = top->looked_us ? (double)(now_us - top->looked_us) / 1e6 : 0;
    top->looked_us = now_us;
    for (size_t i = 0; i < top->count; i++)
        look_at(top, &top->pages[i]);
}

static double sum(const struct page *page, const char *name, const char *with)
{
    return top_page_sum(buf_text(&page->now), name, with);
}

static double rate(const struct top *top, const struct page *page, const char *name,
                   const char *with)
{
    if (page->before.len == 0)
        return 0;
    return top_rate(top_page_sum(buf_text(&page->before), name, with), sum(page, name, with),
                    top->seconds);
}

static void print_runs(const struct page *page)
{
    struct text rest = buf_text(&page->now);
    struct top_sample sample;

    printf("runs      ");
    while (top_page_next(&rest, "penstock_runs", &sample)) {
        struct text status = top_page_label(sample.labels, "status");

        printf("%.*s %.0f  ", TEXT_ARGS(status), sample.value);
    }
    printf("\nready     %.0f, the oldest for %.1f s\n", sum(page, "penstock_runs_ready", NULL),
           sum(page, "penstock_oldest_ready_seconds", NULL));
}

static void print_scheduler(const struct top *top, const struct page *page)
{
    print_runs(page);
    printf("workers   %.0f up, %.0f of %.0f slots busy\n", sum(page, "penstock_workers_up", NULL),
           sum(page, "penstock_slots_busy", NULL), sum(page, "penstock_slots", NULL));
    printf("requests  %.1f/s, %.1f/s of them 5xx; %.0f wait, %.0f read\n",
           rate(top, page, "penstock_http_requests_total", NULL),
           rate(top, page, "penstock_http_requests_total", "status=\"5"),
           sum(page, "penstock_waiting_requests", NULL), sum(page, "penstock_live_readers", NULL));
    printf("servers   Postgres %s, Redis %s\n",
           sum(page, "penstock_postgres_up", NULL) > 0 ? "up" : "DOWN",
           sum(page, "penstock_redis_up", NULL) > 0 ? "up" : "DOWN");
}

static void print_models(const struct top *top, const struct page *page)
{
    struct text rest = buf_text(&page->now);
    struct top_sample sample;
    int printed = 0;

    while (printed < MODELS_MAX &&
           top_page_next(&rest, "penstock_worker_model_calls_total", &sample)) {
        CLEANUP(buf_deinit) struct buf labels;
        struct text provider = top_page_label(sample.labels, "provider");
        struct text model = top_page_label(sample.labels, "model");

        buf_init(&labels, 0);
        buf_add_text(&labels, sample.labels);
        printf("          ");
        terminal_print_line(stdout, provider, 24);
        printf("/");
        terminal_print_line(stdout, model, 40);
        printf("  %.1f calls/s, %.0f tokens/s in, %.0f out\n",
               rate(top, page, "penstock_worker_model_calls_total", buf_string(&labels)),
               rate(top, page, "penstock_worker_input_tokens_total", buf_string(&labels)),
               rate(top, page, "penstock_worker_output_tokens_total", buf_string(&labels)));
        printed++;
    }
}

static void print_worker(const struct top *top, const struct page *page)
{
    printf("          %.0f of %.0f slots busy, %.1f runs/s end, %.1f/s of them failed\n",
           sum(page, "penstock_worker_slots_busy", NULL), sum(page, "penstock_worker_slots", NULL),
           rate(top, page, "penstock_worker_runs_ended_total", NULL),
           rate(top, page, "penstock_worker_runs_ended_total", "status=\"failed\""));
    print_models(top, page);
}

static void print_all(const struct top *top)
{
    for (size_t i = 0; i < top->count; i++) {
        const struct page *page = &top->pages[i];

        printf("%s%s%s%s%s\n", terminal_colour(stdout, TERMINAL_BOLD), page->url,
               terminal_colour(stdout, TERMINAL_PLAIN), page->trouble[0] ? ": " : "",
               page->trouble);
        if (page->trouble[0])
            continue;
        if (i == 0)
            print_scheduler(top, page);
        else
            print_worker(top, page);
    }
}

/* True: somebody looks on. */
static bool is_live(const struct arguments *args)
{
    return !arguments_has(args, "once") && isatty(STDOUT_FILENO);
}

/* Two looks, so that there are rates; and on, where somebody looks on. */
static int go_round(struct top *top, const struct arguments *args, struct error *err)
{
    int64_t interval_ms = arguments_number(args, "interval", 1) * 1000;
    bool live = is_live(args);
    int r;

    look(top);
    if (live)
        printf(SCREEN_ON);
    do {
        r = fiber_sleep(interval_ms, err);
        if (r < 0)
            break;
        look(top);
        if (live)
            printf(CLEAR);
        print_all(top);
        output_flush();
        r = output_check(err);
    } while (r == 0 && live);
    if (live)
        printf(SCREEN_OFF);
    output_flush();
    return r == -E_CANCELED && live ? 0 : r;
}

static void add_page(struct top *top, const char *url)
{
    struct page *page = &top->pages[top->count++];

    (void)snprintf(page->url, sizeof(page->url), "%s%s", url,
                   text_ends(text_of(url), "/metrics") ? "" : "/metrics");
    buf_init(&page->now, PAGE_BYTES);
    buf_init(&page->before, PAGE_BYTES);
}

static int top_run(struct client *client, const struct arguments *args, struct error *err)
{
    static struct top top;
    struct interrupt interrupt;
    const char *scheduler = arguments_get(args, "scheduler");
    const char *url;
    int r;

    top.client = client;
    add_page(&top, scheduler ? scheduler : client->settings.url);
    for (size_t n = 0; top.count < PAGES_MAX && (url = arguments_each(args, "worker", n)); n++)
        add_page(&top, url);
    interrupt_start(&interrupt);
    r = go_round(&top, args, err);
    interrupt_stop(&interrupt);
    for (size_t i = 0; i < top.count; i++) {
        buf_deinit(&top.pages[i].now);
        buf_deinit(&top.pages[i].before);
    }
    if (r == 0 && top.pages[0].trouble[0])
        r = COMMAND_UNREACHABLE;
    return r;
}

static int run_top(const struct arguments *args)
{
    return client_command(args, top_run);
}

static const struct option_spec options[] = {
    {.name = "once", .help = "print once, as it does where there is no terminal"},
    {.name = "interval",
     .value = "SECONDS",
     .help = "between two looks, over which rates are; default 1",
     .min = 1,
     .max = 3600},
    {.name = "scheduler", .value = "URL", .help = "whose metrics are elsewhere than PENSTOCK_URL"},
    {.name = "worker",
     .value = "URL",
     .help = "of a worker's metrics; may be given again",
     .min = OPTION_REPEATS},
};

const struct command command_top = {
    .name = "top",
    .arguments = "",
    .summary = "Show what is going on, live",
    .details =
        "The page of metrics of the scheduler says what runs there are, who works on them and\n"
        "who asks; those of workers say which runs end and which models are called.\n"
        "Ctrl-C ends it. Exit code: 0; 3 when the scheduler could not be asked.",
    .options = options,
    .options_count = ARRAY_LENGTH(options),
    .run = run_top,
};
