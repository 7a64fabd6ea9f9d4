// Asks the C library of an image for what it loads by name when it is asked, and
// what no program of a stack may have done while it was recorded. It prints one
// line an argument, so that the answers of two images can be compared.
//
//	native cancel             ends a thread: the library loads libgcc_s
//	native locale NAME...     sets a locale and compares and prints with it
//	native charset NAME...    converts to a character set and back
//	native names              asks for users, groups, services, protocols, hosts
//	native zone NAME...       tells what noon in UTC is there
#define _GNU_SOURCE
#include <grp.h>
#include <iconv.h>
#include <langinfo.h>
#include <locale.h>
#include <netdb.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>
#include <arpa/inet.h>

static void *wait_forever(void *unused) {
	for (;;) pause();
	return unused;
}

static void cancel(void) {
	pthread_t thread;
	void *result = NULL;
	if (pthread_create(&thread, NULL, wait_forever, NULL) != 0 || pthread_cancel(thread) != 0 || pthread_join(thread, &result) != 0) {
		puts("cancel: it cannot be done");
		exit(1);
	}
	puts(result == PTHREAD_CANCELED ? "cancel: it ended" : "cancel: it ended otherwise");
}

static void set_locale(const char *name) {
	char text[64];
	time_t noon = 1751371200; // 2025-07-01 12:00 UTC
	if (setlocale(LC_ALL, name) == NULL) {
		printf("locale %s: none\n", name);
		return;
	}
	strftime(text, sizeof text, "%A %x", gmtime(&noon));
	printf("locale %s: %s, %s, %'.1f, %d, %d\n", name, nl_langinfo(CODESET), text, 12345.5, strcoll("a", "B") < 0, mbstowcs(NULL, "\xc3\xbc", 0) == 1);
}

static void charset(const char *name) {
	char text[] = "Grusse, A-Z 0-9", there[256], back[256];
	char *in = text, *out = there;
	size_t left = strlen(text), room = sizeof there;
	iconv_t to = iconv_open(name, "UTF-8"), from = iconv_open("UTF-8", name);
	if (to == (iconv_t)-1 || from == (iconv_t)-1) {
		printf("charset %s: none\n", name);
		return;
	}
	size_t lost = iconv(to, &in, &left, &out, &room);
	iconv(to, NULL, NULL, &out, &room);
	size_t length = sizeof there - room;
	char *again = there, *end = back;
	room = sizeof back;
	size_t wrong = iconv(from, &again, &length, &end, &room);
	printf("charset %s: %zd %zd %.*s\n", name, lost, wrong, (int)(sizeof back - room), back);
	iconv_close(to);
	iconv_close(from);
}

static void host(const char *name) {
	struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found = NULL;
	char text[INET_ADDRSTRLEN] = "";
	int failed = getaddrinfo(name, "443", &hints, &found);
	if (failed == 0) {
		struct sockaddr_in *address = (struct sockaddr_in *)found->ai_addr;
		inet_ntop(AF_INET, &address->sin_addr, text, sizeof text);
		printf("host %s: %s %d\n", name, text, ntohs(address->sin_port));
		freeaddrinfo(found);
	} else {
		printf("host %s: %s\n", name, gai_strerror(failed));
	}
}

static void names(void) {
	struct passwd *user = getpwnam("www-data");
	printf("user: %s\n", user == NULL ? "none" : user->pw_dir);
	user = getpwuid(65534);
	printf("user 65534: %s\n", user == NULL ? "none" : user->pw_name);
	struct group *group = getgrnam("nogroup");
	printf("group: %d\n", group == NULL ? -1 : (int)group->gr_gid);
	struct servent *service = getservbyname("postgresql", "tcp");
	printf("service: %d\n", service == NULL ? -1 : ntohs(service->s_port));
	struct protoent *protocol = getprotobyname("sctp");
	printf("protocol: %d\n", protocol == NULL ? -1 : protocol->p_proto);
	host("localhost");
	host("127.0.0.1");
}

static void zone(const char *name) {
	char text[64];
	time_t noon = 1751371200;
	setenv("TZ", name, 1);
	tzset();
	strftime(text, sizeof text, "%H:%M %Z", localtime(&noon));
	printf("zone %s: %s\n", name, text);
}

int main(int argc, char **argv) {
	const char *what = argc > 1 ? argv[1] : "";
	static const struct {
		const char *name;
		void (*one)(const char *);
	} each[] = {{"locale", set_locale}, {"charset", charset}, {"zone", zone}};
	if (strcmp(what, "cancel") == 0) {
		cancel();
		return 0;
	}
	if (strcmp(what, "names") == 0) {
		names();
		return 0;
	}
	for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
		if (strcmp(what, each[i].name) == 0) {
			for (int n = 2; n < argc; n++) each[i].one(argv[n]);
			return 0;
		}
	}
	fprintf(stderr, "native: unknown: %s\n", what);
	return 2;
}
