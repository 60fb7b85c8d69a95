/* The script that is compiled in: a small assistant that works through tools.
 *
 * Each family of prompts is a rule: a pattern that picks the numbers, places and dates out of the
 * user's message, then the tool calls, one line for each round, then the sentence that uses their
 * results. Patterns say how many numbers there are from the first to the last (S to E), so families
 * do not get in each other's way; the more special ones come first. deploy/samples/prompts.jsonl
 * holds prompts of all families, and a test sends each of them through here.
 *
 * Written with macros, since a pattern is read more often than its YAML, which --print-script
 * shows.
 */

#include "providers/rehearsal/script/script.h"

/* clang-format off */

/* Parts of patterns: a number (one group), what is no number, the start and the end. */
#define N "([0-9][0-9,.]*)"
#define G "[^0-9.,][^0-9]*" /* so that 4.5 is one number and not two */
#define SIGNED "(-?[0-9][0-9,.]*)"
#define S "^[^0-9]*"
#define E "[^0-9]*$"

#define ASK /* two groups; nothing will do, too */ \
    "(what is|what.{1,3}s|how much is|(calculate|compute|solve|work out|use the calculator)" \
    "|tell me)?:?"

#define CITY \
    "(tokyo|london|new york|paris|berlin|sydney|nairobi|sao paulo|mumbai|singapore|los angeles|" \
    "chicago|cairo|auckland|reykjavik|dubai|lagos|toronto|mexico city|seoul|kathmandu|oslo|" \
    "madrid|denver|honolulu|johannesburg|bangkok|istanbul|helsinki|lisbon|buenos aires|" \
    "vancouver|rome)"
#define MONTH \
    "(january|february|march|april|may|june|july|august|september|october|november|december)"
#define DAY   "([0-9]{1,2}) " MONTH " ([0-9]{4})" /* three groups */
#define HOUR  "([0-9]{1,2}[:0-9]* ?[ap]?m?|noon|midnight)"
#define UNIT \
    "(kilometres|miles|metres|feet|inches|centimetres|yards|kilograms|pounds|ounces|grams|litres|" \
    "gallons|pints)"
#define SPAN  "(seconds|minutes|hours|days|weeks)"
#define SPEED "(km/h|kph|mph|kilometres per hour|miles per hour|kilometres an hour|miles an hour)"

/* Parts of rules. */
#define RULE(name, pattern) "  - name: " name "\n    when: {user: '" pattern "'}\n    steps:\n"
#define CALC_(expression)   "{name: calculator, arguments: {expression: '" expression "'}}"
#define NOW_(zone)          "{name: current_time, arguments: {timezone: '" zone "'}}"
#define AT_(zone, at)       "{name: current_time, arguments: {timezone: '" zone "', at: '" at "'}}"
#define CALL(call)          "      - calls: [" call "]\n"
#define BOTH(one, other)    "      - calls: [" one ", " other "]\n"
#define CALC(expression)    CALL(CALC_(expression))
#define SAY(text)           "      - text: '" text "'\n"
#define DATE(d, m, y)       "{{" y "}}-{{" m "|month}}-{{" d "|pad}}"

static const char tables[] =
    "# Tables come before the rules that use them.\n"
    "offered_tools_only: true\n"
    "tables:\n"
    "  month: {january: '01', february: '02', march: '03', april: '04', may: '05', june: '06',\n"
    "    july: '07', august: '08', september: '09', october: '10', november: '11',\n"
    "    december: '12'}\n"
    "  sign: {plus: '+', minus: '-', times: '*', multiplied by: '*', x: '*', ×: '*',\n"
    "    divided by: '/', over: '/', ÷: '/'}\n"
    "  span: {seconds: '1', minutes: '60', hours: '3600', days: '86400', weeks: '604800'}\n"
    "  unit: {kilometres: '1000', miles: '1609.344', metres: '1', feet: '0.3048',\n"
    "    inches: '0.0254',\n"
    "    centimetres: '0.01', yards: '0.9144', kilograms: '1', pounds: '0.45359237',\n"
    "    ounces: '0.028349523125', grams: '0.001', litres: '1', gallons: '3.785411784',\n"
    "    pints: '0.473176473'}\n"
    "  zone: {tokyo: Asia/Tokyo, london: Europe/London, new york: America/New_York,\n"
    "    paris: Europe/Paris, berlin: Europe/Berlin, sydney: Australia/Sydney,\n"
    "    nairobi: Africa/Nairobi, sao paulo: America/Sao_Paulo, mumbai: Asia/Kolkata,\n"
    "    singapore: Asia/Singapore, los angeles: America/Los_Angeles, chicago: America/Chicago,\n"
    "    cairo: Africa/Cairo, auckland: Pacific/Auckland, reykjavik: Atlantic/Reykjavik,\n"
    "    dubai: Asia/Dubai, lagos: Africa/Lagos, toronto: America/Toronto,\n"
    "    mexico city: America/Mexico_City, seoul: Asia/Seoul, kathmandu: Asia/Kathmandu,\n"
    "    oslo: Europe/Oslo, madrid: Europe/Madrid, denver: America/Denver,\n"
    "    honolulu: Pacific/Honolulu, johannesburg: Africa/Johannesburg, bangkok: Asia/Bangkok,\n"
    "    istanbul: Europe/Istanbul, helsinki: Europe/Helsinki, lisbon: Europe/Lisbon,\n"
    "    buenos aires: America/Argentina/Buenos_Aires, vancouver: America/Vancouver,\n"
    "    rome: Europe/Rome}\n"
    "  distance: {km/h: kilometres, kph: kilometres, mph: miles, kilometres per hour: kilometres,\n"
    "    miles per hour: miles, kilometres an hour: kilometres, miles an hour: miles}\n"
    "  period: {a day: days, per day: days, each day: days, every day: days, daily: days,\n"
    "    a night: nights, a week: weeks, each week: weeks, per week: weeks, a minute: minutes,\n"
    "    per minute: minutes}\n"
    "rules:\n";

static const char explicit_work[] =
    RULE("standard", "^standard$")
    CALC("6*7")
    SAY("The answer is {{tool}}.")

    RULE("expression", "^(please )?(use the calculator|calculate|compute|evaluate|work out)"
         "( for| to work out)?:? ([-0-9(][-0-9 +*/().]*[0-9)])[?. ]*$")
    CALC("{{4}}")
    SAY("{{4}} = {{tool}}.")

    RULE("bare expression", "^ *(please |hi,? |hello,? |hey,? )?" ASK " *(-?[0-9(][-0-9 +*/^%().]*"
         "[-+*/^%][-0-9 +*/^%().]*[0-9)%]) *(=|equals)? *[?.! ]*$")
    CALC("{{4}}")
    SAY("{{4}} = {{tool}}.")

    RULE("two numbers", "^ *(please |hi,? |hello,? |hey,? )?" ASK " *" SIGNED
         " *(plus|minus|times|multiplied by|x|×|divided by|over|÷) *" SIGNED " *[?.! ]*$")
    CALC("{{4|number}}{{5|sign}}({{6|number}})")
    SAY("{{4|number}} {{5}} {{6|number}} is {{tool|round}}.")

    "  - name: arithmetic\n    when: {arithmetic: true}\n    steps:\n"
    CALC("{{expression}}")
    SAY("{{expression}} = {{tool}}.")

    "  - name: arithmetic without a tool\n    when: {arithmetic: true}\n"
    "    then: {text: '{{expression}} = {{value}}.'}\n"

    RULE("calculator and clock", S "(times|multipl)[^0-9]*" N G N "[^0-9]*time[^0-9]* in " CITY E)
    BOTH(CALC_("{{2|number}}*{{3|number}}"), NOW_("{{4|zone}}"))
    SAY("{{2|number}} times {{3|number}} is {{tool.1}}, and in {{4}} it is {{tool.2.time}} "
        "({{tool.2.weekday}}).")

    RULE("product and clock", S N " times " N G "time[^0-9]* in " CITY E)
    BOTH(CALC_("{{1|number}}*{{2|number}}"), NOW_("{{3|zone}}"))
    SAY("{{1|number}} times {{2|number}} is {{tool.1}}, and in {{3}} it is {{tool.2.time}} "
        "({{tool.2.weekday}}).");

static const char times_and_dates[] =
    RULE("two cities at a time", HOUR " UTC on " DAY "[^0-9]* in " CITY " and( in)? " CITY E)
    BOTH(AT_("{{5|zone}}", "{{4}}-{{3|month}}-{{2|pad}}T{{1|clock}}:00Z"),
         AT_("{{7|zone}}", "{{4}}-{{3|month}}-{{2|pad}}T{{1|clock}}:00Z"))
    SAY("At {{1}} UTC on {{2}} {{3}} {{4}} it is {{tool.1.time}} on {{tool.1.weekday}} in {{5}} "
        "and "
        "{{tool.2.time}} on {{tool.2.weekday}} in {{7}}.")

    RULE("city at a time", HOUR " UTC on " DAY "[^0-9]* in " CITY E)
    CALL(AT_("{{5|zone}}", "{{4}}-{{3|month}}-{{2|pad}}T{{1|clock}}:00Z"))
    SAY("At {{1}} UTC on {{2}} {{3}} {{4}} the clocks in {{5}} show {{tool.time}} on "
        "{{tool.weekday}}, {{tool.date}} (UTC{{tool.utc_offset}}).")

    RULE("city first, then the time", " in " CITY "[^0-9]*" HOUR " UTC on " DAY E)
    CALL(AT_("{{1|zone}}", "{{5}}-{{4|month}}-{{3|pad}}T{{2|clock}}:00Z"))
    SAY("In {{1}} it is then {{tool.time}} on {{tool.weekday}}, {{tool.date}} "
        "(UTC{{tool.utc_offset}}).")

    RULE("weeks between", "weeks[^0-9]*" DAY "[^0-9]+" DAY E)
    BOTH(AT_("UTC", DATE("1", "2", "3") "T00:00:00Z"), AT_("UTC", DATE("4", "5", "6") "T00:00:00Z"))
    CALC("({{tool.2.unix}}-{{tool.1.unix}})/604800")
    SAY("From {{1}} {{2}} {{3}} to {{4}} {{5}} {{6}} it is {{tool|round}} weeks.")

    RULE("days between", DAY "[^0-9]+" DAY E)
    BOTH(AT_("UTC", DATE("1", "2", "3") "T00:00:00Z"), AT_("UTC", DATE("4", "5", "6") "T00:00:00Z"))
    CALC("({{tool.2.unix}}-{{tool.1.unix}})/86400")
    SAY("From {{1}} {{2}} {{3}} to {{4}} {{5}} {{6}} it is {{tool}} days.")

    RULE("offset of a city", "(offset|ahead of UTC|behind UTC|from UTC)[^0-9]* in " CITY
         "[^0-9]*" DAY E)
    CALL(AT_("{{2|zone}}", DATE("3", "4", "5") "T12:00:00Z"))
    SAY("On {{3}} {{4}} {{5}} the clocks in {{2}} are at UTC{{tool.utc_offset}}.")

    RULE("days until", "(until|till|left before|away is)[^0-9]*" DAY E)
    BOTH(NOW_("UTC"), AT_("UTC", DATE("2", "3", "4") "T00:00:00Z"))
    CALC("({{tool.2.unix}}-{{tool.1.unix}})/86400")
    SAY("It is {{tool|round}} days from now to the beginning of {{2}} {{3}} {{4}} (UTC).")

    RULE("weekday", "day[^0-9]*" DAY E)
    CALL(AT_("UTC", DATE("1", "2", "3") "T12:00:00Z"))
    SAY("{{1}} {{2}} {{3}} falls on a {{tool.weekday}}.")

    RULE("weekday, date first", DAY "[^0-9]*day" E)
    CALL(AT_("UTC", DATE("1", "2", "3") "T12:00:00Z"))
    SAY("{{1}} {{2}} {{3}} falls on a {{tool.weekday}}.")

    RULE("two cities now", S "(time|clock)[^0-9]* in " CITY
         "[^0-9]*(and|or|than|as|versus)( it is)?( in)? " CITY E)
    BOTH(NOW_("{{2|zone}}"), NOW_("{{6|zone}}"))
    SAY("In {{2}} it is {{tool.1.time}} on {{tool.1.weekday}} (UTC{{tool.1.utc_offset}}); in {{6}} "
        "it is {{tool.2.time}} on {{tool.2.weekday}} (UTC{{tool.2.utc_offset}}).")

    RULE("date in a city", S "(date|day|weekday)[^0-9]* in " CITY E)
    CALL(NOW_("{{2|zone}}"))
    SAY("In {{2}} it is {{tool.weekday}}, {{tool.date}}.")

    RULE("city now", S "(time|clock|o.clock|hour|late|early|awake|call)[^0-9]* in " CITY E)
    CALL(NOW_("{{2|zone}}"))
    SAY("In {{2}} it is {{tool.time}} on {{tool.weekday}}, {{tool.date}} "
        "(UTC{{tool.utc_offset}}).");

static const char money[] =
    RULE("two purchases", S N G N " (euros |dollars |pounds |cents )?(each|apiece)[^0-9]* and "
         N G N " (euros |dollars |pounds |cents )?(each|apiece)" E)
    BOTH(CALC_("{{1|number}}*{{2|number}}"), CALC_("{{5|number}}*{{6|number}}"))
    CALC("{{tool.1}}+{{tool.2}}")
    SAY("The first part comes to {{tool.1}} and the second to {{tool.2}}, so together that is "
        "{{tool.3}}.")

    RULE("discount", S N G N " ?(%|percent) (off|discount|reduction|cheaper|less)" E)
    CALC("{{1|number}}*{{2|number}}/100")
    CALC("{{1|number}}-{{tool}}")
    SAY("The reduction is {{tool.1}}, which leaves a price of {{tool.2}}.")

    RULE("discount first", S N " ?(%|percent) (off|discount|reduction)[^0-9]*" N E)
    CALC("{{4|number}}*{{1|number}}/100")
    CALC("{{4|number}}-{{tool}}")
    SAY("The reduction is {{tool.1}}, which leaves a price of {{tool.2}}.")

    RULE("bill with tip", S N "[^0-9]*tip[^0-9]*" N " ?(%|percent)[^0-9]*" N E)
    CALC("{{1|number}}*(100+{{2|number}})/100")
    CALC("{{tool}}/{{4|number}}")
    SAY("With the tip the bill is {{tool.1|round}}; each of the {{4|number}} pays "
        "{{tool.2|round}}.")

    RULE("interest", S N "[^0-9]* " N " ?(%|percent)[^0-9]*interest[^0-9]*" N " years" E)
    CALC("{{1|number}}*{{2|number}}*{{4|number}}/100")
    CALC("{{1|number}}+{{tool}}")
    SAY("The interest is {{tool.1}}, so there will be {{tool.2}} in all.")

    RULE("change", S "(pay|paid|note|hand)[^0-9]*" N G N G N
         " (euros |dollars |pounds )?(each|apiece)" E)
    CALC("{{3|number}}*{{4|number}}")
    CALC("{{2|number}}-{{tool}}")
    SAY("The purchase costs {{tool.1}}, so the change is {{tool.2}}.")

    RULE("wages", S N "[^0-9]*(hour|hourly)[^0-9]*" N " hours[^0-9]*" N " (days|shifts|weeks)" E)
    CALC("{{3|number}}*{{4|number}}")
    CALC("{{1|number}}*{{tool}}")
    SAY("That is {{tool.1}} hours of work and {{tool.2}} in pay.")

    RULE("fuel", S N " litres (per|for every|every) 100 (km|kilometres)[^0-9]*" N "[^0-9]+" N E)
    CALC("{{1|number}}*{{4|number}}/100")
    CALC("{{tool}}*{{5|number}}")
    SAY("The trip takes {{tool.1|round}} litres, which cost {{tool.2|round}}.")

    RULE("increase", S N "[^0-9]*(rais|ris|rose|grow|grew|increas|tax|plus|vat|added|surcharge|"
         "up by|higher)[^0-9]*" N " ?(%|percent)" E)
    CALC("{{1|number}}*(100+{{3|number}})/100")
    SAY("With the {{3|number}} percent on top it comes to {{tool|round}}.")

    RULE("decrease", S N "[^0-9]*(fall|fell|drop|shrink|shrank|los|declin|cut)[^0-9]*" N
         " ?(%|percent)" E)
    CALC("{{1|number}}*(100-{{3|number}})/100")
    SAY("After going down by {{3|number}} percent it is {{tool|round}}.")

    RULE("decrease, verb first", S "(cut|reduc|lower|fell|fall|drop)[^0-9]*" N "[^0-9]* by " N
         " ?(%|percent)" E)
    CALC("{{2|number}}*(100-{{3|number}})/100")
    SAY("After going down by {{3|number}} percent it is {{tool}}.")

    RULE("percent of, and more", S N " ?(%|percent) of" G N " (plus|minus|times) " N E)
    CALC("{{3|number}}*{{1|number}}/100")
    CALC("{{tool}}{{4|sign}}{{5|number}}")
    SAY("{{1|number}} percent of {{3|number}} is {{tool.1|round}}, and {{4}} {{5|number}} it is "
        "{{tool|round}}.")

    RULE("percent of", S N " ?(%|percent) of" G N E)
    CALC("{{3|number}}*{{1|number}}/100")
    SAY("{{1|number}} percent of {{3|number}} is {{tool|round}}.")

    RULE("percent of, number first", S N G N " ?(%|percent) of (them|it|these|those|which)" E)
    CALC("{{1|number}}*{{2|number}}/100")
    SAY("{{2|number}} percent of {{1|number}} is {{tool}}.")

    RULE("what percentage", S "(percent|percentage|per cent)[^0-9]* of " N G N E)
    CALC("{{3|number}}*100/{{2|number}}")
    SAY("{{3|number}} is {{tool|round}} percent of {{2|number}}.")

    RULE("out of", S N "[^0-9]*(out of|of the|of)[^0-9]*" N "[^0-9]*(percent|percentage)" E)
    CALC("{{1|number}}*100/{{3|number}}")
    SAY("That is {{tool|round}} percent.");

static const char measures[] =
    RULE("to Fahrenheit", "^[^-0-9]*" SIGNED " ?(degrees )?(celsius|centigrade)[^0-9]*fahrenheit" E)
    CALC("{{1|number}}*9/5+32")
    SAY("{{1|number}} degrees Celsius are {{tool|round}} degrees Fahrenheit.")

    RULE("to Celsius", "^[^-0-9]*" SIGNED " ?(degrees )?fahrenheit[^0-9]*(celsius|centigrade)" E)
    CALC("({{1|number}}-32)*5/9")
    SAY("{{1|number}} degrees Fahrenheit are {{tool|round}} degrees Celsius.")

    RULE("spans", "how many " SPAN "[^0-9]* " N " " SPAN E)
    CALC("{{2|number}}*{{3|span}}/{{1|span}}")
    SAY("{{2|number}} {{3}} are {{tool|round}} {{1}}.")

    RULE("conversion", S N " " UNIT "[^0-9]* (to|into|in|as) " UNIT E)
    CALC("{{1|number}}*{{2|unit}}/{{4|unit}}")
    SAY("{{1|number}} {{2}} are {{tool|round}} {{4}}.")

    RULE("conversion, asked the other way", "how many " UNIT "[^0-9]* " N " " UNIT E)
    CALC("{{2|number}}*{{3|unit}}/{{1|unit}}")
    SAY("{{2|number}} {{3}} are {{tool|round}} {{1}}.")

    RULE("distance", S N " ?" SPEED "[^0-9]* " N " hours" E)
    CALC("{{1|number}}*{{3|number}}")
    SAY("The distance is {{tool|round}} {{2|distance}}.")

    RULE("travel time", S N " (km|kilometres|miles)[^0-9]* " N " ?" SPEED E)
    CALC("{{1|number}}/{{3|number}}")
    SAY("That takes {{tool|round}} hours.")

    RULE("average speed", S N " (km|kilometres|miles)[^0-9]* in " N " hours" E)
    CALC("{{1|number}}/{{3|number}}")
    SAY("The average speed is {{tool|round}} {{2}} per hour.")

    RULE("perimeter", S N "[^0-9]*(by|wide|long)[^0-9]*" N
         "[^0-9]*(fence|perimeter|around|border|edge)" E)
    CALC("2*({{1|number}}+{{3|number}})")
    SAY("All the way around it measures {{tool}}.")

    RULE("cost of an area", S N "[^0-9]*(by|wide|long)[^0-9]*" N G N "[^0-9]*(per|a) square" E)
    CALC("{{1|number}}*{{3|number}}")
    CALC("{{tool}}*{{4|number}}")
    SAY("The area is {{tool.1}}, and the cost for it {{tool.2}}.")

    RULE("perimeter, asked first", S "(fence|perimeter|frame|border)[^0-9]*" N
         "[^0-9]*(by|wide|long)[^0-9]*" N E)
    CALC("2*({{2|number}}+{{4|number}})")
    SAY("All the way around it measures {{tool}}.")

    RULE("area, asked first", S "(area|square|surface|cover)[^0-9]*" N
         "[^0-9]*(by|wide|long)[^0-9]*" N E)
    CALC("{{2|number}}*{{4|number}}")
    SAY("The area is {{tool}} in square units.")

    RULE("area", S N "[^0-9]*(by|wide|long)[^0-9]*" N "[^0-9]*(area|square|surface|cover|floor)" E)
    CALC("{{1|number}}*{{3|number}}")
    SAY("The area is {{tool}} in square units.")

    RULE("volume", S N "[^0-9]*by " N "[^0-9]*by " N E)
    CALC("{{1|number}}*{{2|number}}")
    CALC("{{tool}}*{{3|number}}")
    SAY("The base measures {{tool.1}} and the volume is {{tool.2}}.");

static const char quantities[] =
    RULE("recipe", S "(serves|feeds|enough for|for) " N G N "[^0-9]* (for|serve|feed) " N E)
    CALC("{{3|number}}/{{2|number}}")
    CALC("{{tool}}*{{5|number}}")
    SAY("A single portion takes {{tool.1|round}}, so {{5|number}} of them take {{tool.2|round}}.")

    RULE("average of five", S "(average|mean)[^0-9]*" N G N G N G N G N E)
    CALC("{{2|number}}+{{3|number}}+{{4|number}}+{{5|number}}+{{6|number}}")
    CALC("{{tool}}/5")
    SAY("The sum is {{tool.1|round}} and the average {{tool.2|round}}.")

    RULE("average of four", S "(average|mean)[^0-9]*" N G N G N G N E)
    CALC("{{2|number}}+{{3|number}}+{{4|number}}+{{5|number}}")
    CALC("{{tool}}/4")
    SAY("The sum is {{tool.1|round}} and the average {{tool.2|round}}.")

    RULE("average of three", S "(average|mean)[^0-9]*" N G N G N E)
    CALC("{{2|number}}+{{3|number}}+{{4|number}}")
    CALC("{{tool}}/3")
    SAY("The sum is {{tool.1|round}} and the average {{tool.2|round}}.")

    RULE("share with a remainder", S N "[^0-9]*(sets? aside|keep|kept|broken|reserve|spoil)[^0-9]*"
         N G N E)
    CALC("{{1|number}}-{{3|number}}")
    CALC("{{tool}}/{{4|number}}")
    SAY("There are {{tool.1|round}} to be shared, which makes {{tool.2|round}} for each.")

    RULE("layers of packing", S N G N G N "[^0-9]*(each| per |every|apiece|in all)" E)
    CALC("{{1|number}}*{{2|number}}")
    CALC("{{tool}}*{{3|number}}")
    SAY("The first two make {{tool.1}}, and with the third that is {{tool.2}} in all.")

    RULE("away and back", S N "[^0-9]*(give|gave|sell|sold|lose|lost|lend|lent|leave|left|eat|ate|"
         "donate|use)[^0-9]*" N G N E)
    CALC("{{1|number}}-{{3|number}}")
    CALC("{{tool}}+{{4|number}}")
    SAY("First there remain {{tool.1}}; in the end there are {{tool.2}}.")

    RULE("total of three", S N G N G N "[^0-9]*(altogether|total|sum|combined|together)" E)
    CALC("{{1|number}}+{{2|number}}+{{3|number}}")
    SAY("Altogether that makes {{tool}}.")

    RULE("share", S N "[^0-9]*(share|split|divid|among|between|equal|even)[^0-9]*" N E)
    CALC("{{1|number}}/{{3|number}}")
    SAY("Each gets {{tool|round}}.")

    RULE("how long it lasts", S N G N "[^0-9]*(a day|per day|daily|each day|every day|a night|"
         "a week|each week|per week|a minute|per minute)" E)
    CALC("{{1|number}}/{{2|number}}")
    SAY("At that rate it takes {{tool|round}} {{3|period}}.")

    RULE("left over", S N G N "[^0-9]*(left|remain|still)" E)
    CALC("{{1|number}}-{{2|number}}")
    SAY("There are {{tool}} left.")

    RULE("how many more", S N G N "[^0-9]*(more|difference|fewer|older|taller|longer|heavier)" E)
    CALC("{{1|number}}-{{2|number}}")
    SAY("The difference is {{tool}}.")

    RULE("each", S N G N "[^0-9]*(each|apiece| per |every|a piece|a box|a row|a month|an hour)" E)
    CALC("{{1|number}}*{{2|number}}")
    SAY("That makes {{tool}} in all.")

    RULE("square", S "square of " N E)
    CALC("{{1|number}}*{{1|number}}")
    SAY("The square of {{1|number}} is {{tool}}.");

/* What `penstock providers test` asks for. */
static const char trial[] =
    "  - name: trial\n"
    "    when: {user: '^Call the tool .echo. with the word .([a-z]+)[^a-z]*$'}\n"
    "    steps:\n"
    "      - calls: [{name: echo, arguments: {word: '{{1}}'}}]\n"
    "      - text: 'The tool said {{tool}}.'\n";

static const char fallback[] =
    "  - name: fallback\n"
    "    then:\n"
    "      text: >-\n"
    "        This is the rehearsal LLM, a stand-in that follows a script and not a real model.\n"
    "        It answers plain arithmetic by itself. With the tools calculator and current_time\n"
    "        it can do word problems, percentages, conversions, times and dates around the\n"
    "        world. Try\n"
    "        \"Use the calculator: 12*(3+4)\", \"What time is it in Tokyo?\" or a prompt of\n"
    "        deploy/samples/prompts.jsonl. It calls no functions of yours, unless you write a\n"
    "        script: see --script in docs/rehearsal.md.\n";

/* clang-format on */

void script_builtin(struct buf *out)
{
    static const char *const parts[] = {tables,   explicit_work, times_and_dates, money,
                                        measures, quantities,    trial,           fallback};

    for (size_t i = 0; i < ARRAY_LENGTH(parts); i++)
        buf_add_string(out, parts[i]);
}
