/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/timers.h"
#include "core/wire.h"

#define KEEPALIVE SECONDS(25)

static const struct instant zero = { SECONDS(100) };

static struct instant at(int64_t us)
{
	return instant_add(zero, us);
}

/* Turns the clock to `until`, step by step as timers ask; counts what they
 * want and notes when last. */
struct wants {
	unsigned pings, handshakes, give_ups, looks;
	int64_t last_ping, last_handshake, gave_up; /* since zero */
};

static struct wants live(struct timers *t, int64_t from, int64_t until)
{
	struct wants w = { 0 };
	struct instant now = at(from);

	while (!instant_before(at(until), now)) {
		unsigned action = timers_tick(t, 0, now);

		w.looks++;
		if (action & TIMERS_PING) {
			w.pings++;
			w.last_ping = instant_between(zero, now);
		}
		if (action & TIMERS_HANDSHAKE) {
			w.handshakes++;
			w.last_handshake = instant_between(zero, now);
			timers_greeted(t, 0, now);
		}
		if (action & TIMERS_GIVE_UP) {
			w.give_ups++;
			w.gave_up = instant_between(zero, now);
			timers_session_end(t, 0, now);
		}
		now = instant_before(now, t->due) ? t->due : instant_add(now, MS(1));
	}
	return w;
}

static struct timers with_session(bool initiator)
{
	struct timers t;

	timers_init(&t, KEEPALIVE, zero);
	timers_session_begin(&t, initiator, zero);
	/* The first PING of a session is answered. */
	assert_int_equal(timers_tick(&t, 0, zero), TIMERS_PING);
	timers_heard(&t, zero);
	return t;
}

static void test_greets_at_once_and_again(void **state)
{
	struct timers t;
	struct wants w;

	(void)state;
	timers_init(&t, KEEPALIVE, zero);
	w = live(&t, 0, 0);
	assert_int_equal(w.handshakes, 1);
	w = live(&t, MS(1), MS(499));
	assert_int_equal(w.handshakes, 0);
	w = live(&t, MS(499), MS(501));
	assert_int_equal(w.handshakes, 1);
	w = live(&t, MS(502), MS(1499));
	assert_int_equal(w.handshakes, 0);
	w = live(&t, MS(1499), SECONDS(8) + MS(501));
	assert_int_equal(w.handshakes, 8); /* every second */
	assert_int_equal(w.pings + w.give_ups, 0);
	live(&t, SECONDS(9), SECONDS(130));
	w = live(&t, SECONDS(130), SECONDS(180)); /* patient: every 5 s */
	assert_in_range(w.handshakes, 10, 11);
	assert_in_range(w.looks, 10, 30); /* and not a busy one */
}

static void test_random_stretches_by_a_fifth(void **state)
{
	struct timers t;

	(void)state;
	for (uint32_t random = 0; random < 256; random += 51) {
		timers_init(&t, KEEPALIVE, zero);
		timers_greeted(&t, 0, zero);
		timers_greeted(&t, random | 0xabcd00, zero);
		assert_int_equal(instant_between(zero, t.greet),
				 SECONDS(1) + MS(200) * random / 255);
	}
}

static void test_never_until_asked(void **state)
{
	struct timers t;
	struct wants w;

	(void)state;
	timers_init(&t, KEEPALIVE, zero);
	timers_greet_never(&t);
	w = live(&t, 0, SECONDS(3600));
	assert_int_equal(w.handshakes + w.pings + w.give_ups, 0);
	timers_greet_now(&t, at(SECONDS(3600)));
	assert_int_equal(timers_tick(&t, 0, at(SECONDS(3600))), TIMERS_HANDSHAKE);
}

/* Those who have to wait for room meet at a few moments, and take turns at them. */
static void test_later_is_shared(void **state)
{
	struct timers t;
	int64_t moments[4];

	(void)state;
	timers_init(&t, KEEPALIVE, zero);
	for (unsigned turn = 0; turn < 12; turn++) {
		timers_greet_later(&t, turn, at(MS(3)));
		if (turn < 4)
			moments[turn] = t.greet.us;
		assert_int_equal(t.greet.us, moments[turn % 4]);
		assert_int_equal(t.greet.us % MS(25), 0);
		assert_in_range(instant_between(at(MS(3)), t.greet), 1, MS(100));
		for (unsigned other = 0; other < turn % 4; other++)
			assert_true(moments[other] != t.greet.us);
	}
}

static void test_after_and_longer(void **state)
{
	struct timers t;

	(void)state;
	timers_init(&t, KEEPALIVE, zero);
	timers_greet_after(&t, MS(700), zero);
	assert_int_equal(timers_tick(&t, 0, at(MS(699))), 0);
	assert_int_equal(timers_tick(&t, 0, at(MS(700))), TIMERS_HANDSHAKE);
	timers_greeted(&t, 0, at(MS(700)));
	timers_stretch(&t, 8, at(MS(700)));
	assert_int_equal(instant_between(zero, t.greet), MS(700) + 8 * MS(500));
	timers_greet_never(&t); /* in mid-call there is no way there any more */
	timers_stretch(&t, 8, at(MS(700)));
	assert_true(t.greet.us == INSTANT_NEVER.us);
}

static void test_a_new_session_begins_with_a_ping(void **state)
{
	struct timers t;
	struct wants w;

	(void)state;
	timers_init(&t, KEEPALIVE, zero);
	timers_session_begin(&t, true, zero);
	w = live(&t, 0, MS(1));
	assert_int_equal(w.pings, 1);
	w = live(&t, MS(2), SECONDS(2)); /* unanswered: again and again */
	assert_true(w.pings >= 2);
	timers_heard(&t, at(SECONDS(2)));
	w = live(&t, SECONDS(2), SECONDS(20));
	assert_int_equal(w.pings, 0);
}

static void test_idle_pings_by_keepalive(void **state)
{
	struct timers t = with_session(true);
	struct wants w;

	(void)state;
	for (int i = 0; i < 4; i++) {
		w = live(&t, i * KEEPALIVE + MS(1), (i + 1) * KEEPALIVE);
		assert_int_equal(w.pings, 1);
		assert_int_equal(w.last_ping, (i + 1) * KEEPALIVE);
		timers_heard(&t, at((i + 1) * KEEPALIVE));
	}
}

static void test_frames_make_it_watchful(void **state)
{
	struct timers t = with_session(true);
	struct wants w;

	(void)state;
	live(&t, MS(1), SECONDS(10));
	timers_frames(&t, at(SECONDS(10)));
	w = live(&t, SECONDS(10), SECONDS(11)); /* silent for 10 s already */
	assert_true(w.pings >= 1);
	timers_heard(&t, at(SECONDS(11)));
	w = live(&t, SECONDS(11), SECONDS(12));
	assert_in_range(w.last_ping, SECONDS(11) + TIMERS_QUIET, SECONDS(12));
}

/* Two PINGs without an answer: a handshake beside the session; ten seconds: the
 * end of it. */
static void test_silence_while_frames_pass(void **state)
{
	struct timers t = with_session(true);
	struct wants w = { 0 };

	(void)state;
	timers_frames(&t, zero);
	w = live(&t, MS(1), SECONDS(3));
	assert_true(w.pings >= 3);
	assert_true(w.handshakes >= 1);
	assert_int_equal(w.give_ups, 0);
	w = live(&t, SECONDS(3), SECONDS(14));
	assert_int_equal(w.give_ups, 1);
	assert_in_range(w.gave_up, TIMERS_DEAD, TIMERS_QUIET + TIMERS_DEAD + SECONDS(1));
	assert_true(w.handshakes >= 3); /* and it goes on calling */
	w = live(&t, SECONDS(14), SECONDS(20));
	assert_int_equal(w.pings, 0); /* nothing to ping without a session */
}

static void test_a_word_settles_all(void **state)
{
	struct timers t = with_session(true);
	struct wants w;

	(void)state;
	timers_frames(&t, zero);
	for (int i = 0; i < 120; i++) {
		timers_frames(&t, at(i * MS(500)));
		timers_heard(&t, at(i * MS(500)));
		w = live(&t, i * MS(500), i * MS(500) + MS(499));
		assert_int_equal(w.handshakes + w.give_ups, 0);
	}
}

/* A first frame after a long quiet time does not find the session dead. */
static void test_first_frame_after_silence(void **state)
{
	struct timers t;
	struct wants w;

	(void)state;
	timers_init(&t, SECONDS(100), zero);
	timers_session_begin(&t, true, zero);
	timers_tick(&t, 0, zero);
	timers_heard(&t, zero);
	live(&t, MS(1), SECONDS(90));
	timers_frames(&t, at(SECONDS(90)));
	w = live(&t, SECONDS(90), SECONDS(95));
	assert_true(w.pings > 0);
	assert_int_equal(w.give_ups, 0);
}

/* Of many peers, no frames: longer quiet, PINGs with more and more patience, and the end
 * not before some had no answer. */
static void test_one_of_many(void **state)
{
	struct timers t = with_session(true);
	struct wants w;

	(void)state;
	t.many = true;
	t.spare = SECONDS(10);
	w = live(&t, 0, SECONDS(35) - 1);
	assert_int_equal(w.pings, 0);
	w = live(&t, SECONDS(35), SECONDS(35) + SECONDS(6));
	assert_int_equal(w.pings, 4);
	assert_int_equal(w.last_ping, SECONDS(35) + SECONDS(6));
	assert_int_equal(w.give_ups, 0);
	w = live(&t, SECONDS(42), SECONDS(60));
	assert_int_equal(w.give_ups, 1);
	assert_int_equal(w.gave_up, SECONDS(45));
}

/* While frames pass it is a peer like any other. */
static void test_many_with_frames(void **state)
{
	struct timers t = with_session(true);
	struct wants w;

	(void)state;
	t.many = t.hold = true;
	t.spare = SECONDS(10);
	timers_frames(&t, zero);
	w = live(&t, 0, SECONDS(3));
	assert_true(w.pings >= 3);
}

/* PINGs that are put off are not counted, and leave together. */
static void test_put_off(void **state)
{
	struct timers t = with_session(true);
	struct wants w;

	(void)state;
	t.many = t.hold = true;
	w = live(&t, 0, KEEPALIVE + SECONDS(20));
	assert_int_equal(w.pings + w.give_ups + w.handshakes, 0);
	assert_int_equal(t.due.us % TIMERS_HOLD, 0);
	t.hold = false;
	w = live(&t, KEEPALIVE + SECONDS(20), KEEPALIVE + SECONDS(20) + TIMERS_HOLD);
	assert_int_equal(w.pings, 1);
	assert_int_equal(t.unanswered, 1);
}

static void test_rekey(void **state)
{
	(void)state;
	for (int initiator = 0; initiator < 2; initiator++) {
		struct timers t = with_session(initiator);
		int64_t due = WIRE_REKEY_AFTER + (initiator ? 0 : TIMERS_RESPONDER);
		struct wants w;

		for (int64_t s = 0; s < due; s += SECONDS(1)) {
			timers_heard(&t, at(s));
			w = live(&t, s, s + SECONDS(1) - 1);
			assert_int_equal(w.handshakes, 0);
		}
		w = live(&t, due, due);
		assert_int_equal(w.handshakes, 1);
	}
}

static void test_a_cookie_hurries_once(void **state)
{
	struct timers t;

	(void)state;
	timers_init(&t, KEEPALIVE, zero);
	assert_int_equal(timers_tick(&t, 0, zero), TIMERS_HANDSHAKE);
	timers_greeted(&t, 0, zero);
	timers_answered(&t, at(MS(10)));
	assert_int_equal(timers_tick(&t, 0, at(MS(10))), TIMERS_HANDSHAKE);
	timers_greeted(&t, 0, at(MS(10)));
	timers_answered(&t, at(MS(20))); /* whoever forges them sets no pace */
	assert_int_equal(timers_tick(&t, 0, at(MS(20))), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_greets_at_once_and_again),
		cmocka_unit_test(test_random_stretches_by_a_fifth),
		cmocka_unit_test(test_never_until_asked),
		cmocka_unit_test(test_later_is_shared),
		cmocka_unit_test(test_after_and_longer),
		cmocka_unit_test(test_a_new_session_begins_with_a_ping),
		cmocka_unit_test(test_idle_pings_by_keepalive),
		cmocka_unit_test(test_frames_make_it_watchful),
		cmocka_unit_test(test_silence_while_frames_pass),
		cmocka_unit_test(test_a_word_settles_all),
		cmocka_unit_test(test_first_frame_after_silence),
		cmocka_unit_test(test_one_of_many),
		cmocka_unit_test(test_many_with_frames),
		cmocka_unit_test(test_put_off),
		cmocka_unit_test(test_rekey),
		cmocka_unit_test(test_a_cookie_hurries_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
