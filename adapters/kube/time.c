#include "adapters/kube/time.h"

#include <string.h>

/* Two digits at `s`, or -1. */
static int two(const char *s)
{
    if (s[0] < '0' || s[0] > '9' || s[1] < '0' || s[1] > '9')
        return -1;
    return (s[0] - '0') * 10 + (s[1] - '0');
}

/* Days since 1970-01-01 of a date of the Gregorian calendar. */
static int64_t days_from_date(int64_t year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = y / 400, year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719468;
}

static bool parse_zone(const char *s, int64_t *ret_ms)
{
    int hours, minutes;

    if (strcmp(s, "Z") == 0 || strcmp(s, "z") == 0) {
        *ret_ms = 0;
        return true;
    }
    if ((*s != '+' && *s != '-') || strlen(s) != 6 || s[3] != ':')
        return false;
    hours = two(s + 1);
    minutes = two(s + 4);
    if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
        return false;
    *ret_ms = (int64_t)(hours * 60 + minutes) * 60000 * (*s == '-' ? -1 : 1);
    return true;
}

bool kube_time_parse(const char *text, int64_t *ret_ms)
{
    size_t len = strlen(text);
    int century, year, month, day, hour, minute, second;
    int64_t zone_ms, fraction_ms = 0, unit = 100;
    const char *s = text + 19;

    if (len < 20 || text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != 't') ||
        text[13] != ':' || text[16] != ':')
        return false;
    century = two(text);
    year = two(text + 2);
    month = two(text + 5);
    day = two(text + 8);
    hour = two(text + 11);
    minute = two(text + 14);
    second = two(text + 17);
    if (century < 0 || year < 0 || month < 1 || month > 12 || day < 1 || day > 31 || hour < 0 ||
        hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60)
        return false;
    if (*s == '.') {
        for (s++; *s >= '0' && *s <= '9'; s++) {
            fraction_ms += (*s - '0') * unit;
            unit /= 10;
        }
    }
    if (!parse_zone(s, &zone_ms))
        return false;
    *ret_ms =
        ((days_from_date(century * 100 + year, month, day) * 24 + hour) * 60 + minute) * 60000 +
        second * 1000 + fraction_ms - zone_ms;
    return true;
}

struct date {
    int64_t year;
    int month, day;
};

/* The inverse of days_from_date. */
static struct date date_from_days(int64_t days)
{
    int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t day_of_era = z - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t m = (5 * day_of_year + 2) / 153; /* from March */
    struct date d = {.year = year_of_era + era * 400,
                     .month = (int)(m < 10 ? m + 3 : m - 9),
                     .day = (int)(day_of_year - (153 * m + 2) / 5 + 1)};

    d.year += d.month <= 2;
    return d;
}

static char *put(char *out, int64_t value, int digits)
{
    for (int i = digits; i-- > 0; value /= 10)
        out[i] = (char)('0' + value % 10);
    return out + digits;
}

static void format(char *out, int64_t ms, bool micro)
{
    int64_t days = ms >= 0 ? ms / 86400000 : -((86399999 - ms) / 86400000);
    int of_day_ms = (int)(ms - days * 86400000), seconds = of_day_ms / 1000;
    struct date d = date_from_days(days);

    if (d.year < 0 || d.year > 9999) /* not in RFC 3339 */
        d = (struct date){0, 1, 1};
    out = put(out, d.year, 4);
    *out++ = '-';
    out = put(out, d.month, 2);
    *out++ = '-';
    out = put(out, d.day, 2);
    *out++ = 'T';
    out = put(out, seconds / 3600, 2);
    *out++ = ':';
    out = put(out, seconds / 60 % 60, 2);
    *out++ = ':';
    out = put(out, seconds % 60, 2);
    if (micro) {
        *out++ = '.';
        out = put(out, of_day_ms % 1000 * 1000, 6);
    }
    *out++ = 'Z';
    *out = '\0';
}

void kube_time_format(char *out, int64_t wall_ms)
{
    format(out, wall_ms, false);
}

void kube_micro_time_format(char *out, int64_t wall_ms)
{
    format(out, wall_ms, true);
}
