/*
 * What the system takes of a message to many listeners: one `send` for each, and nothing else. Whatever is posted goes to all who
 * have asked before, as an event, or as a frame if the first of them asked for a WebSocket. It checks nothing: it is for the
 * bench alone. It prints its URL as one line of JSON.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LISTENERS_MAX = 100000, BYTES_MAX = 65536 };

static int listeners[LISTENERS_MAX];
static int count = 0;
static int is_websocket = 0;
static char request[BYTES_MAX];
static char message[BYTES_MAX + 64];

static void tell(int fd, const char *text) {
	send(fd, text, strlen(text), MSG_NOSIGNAL);
}

/* As long as a message by hand: an event, or a frame of up to 65,535 bytes (RFC 6455, 5.2). */
static size_t print_message(const char *body, size_t bytes) {
	if (!is_websocket) {
		return sprintf(message, "data: %.*s\n\n", (int)bytes, body);
	}
	message[0] = (char)0x81;
	message[1] = 126;
	message[2] = (char)(bytes >> 8);
	message[3] = (char)bytes;
	memcpy(message + 4, body, bytes);
	return bytes + 4;
}

/* Reads on until the body has come. Returns its beginning; NULL if the client has left. */
static char *body_of(int fd, size_t *read_bytes, size_t *bytes) {
	for (;;) {
		char *body = strstr(request, "\r\n\r\n");
		if (body != NULL) {
			const char *field = strcasestr(request, "content-length:");
			*bytes = field == NULL ? 0 : strtoul(field + 15, NULL, 10);
			body += 4;
			if (body + *bytes <= request + *read_bytes) return body;
		}
		ssize_t more = read(fd, request + *read_bytes, BYTES_MAX - 1 - *read_bytes);
		if (more <= 0) return NULL;
		*read_bytes += more;
		request[*read_bytes] = 0;
	}
}

static void begin(int fd) {
	if (count == LISTENERS_MAX) exit(1);
	is_websocket = strcasestr(request, "upgrade: websocket") != NULL;
	tell(fd, is_websocket
		? "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n"
		  "connection: upgrade\r\n\r\n\x81\x05" "begin"
		: "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
		  ": begin\n\n");
	listeners[count++] = fd;
}

static void leave(int fd) {
	close(fd);
	for (int at = 0; at < count; at++) {
		if (listeners[at] != fd) continue;
		listeners[at] = listeners[--count];
		return;
	}
}

static void take(int fd) {
	ssize_t first = read(fd, request, BYTES_MAX - 1);
	if (first <= 0) {
		leave(fd);
		return;
	}
	size_t read_bytes = first;
	request[read_bytes] = 0;
	if (strncmp(request, "GET", 3) == 0) begin(fd);
	if (strncmp(request, "POST", 4) != 0) return;
	size_t bytes;
	const char *body = body_of(fd, &read_bytes, &bytes);
	if (body == NULL) {
		leave(fd);
		return;
	}
	size_t length = print_message(body, bytes);
	for (int at = 0; at < count; at++) {
		send(listeners[at], message, length, MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	tell(fd, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
}

int main(void) {
	int port = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t size = sizeof address;
	if (bind(port, (struct sockaddr *)&address, size) != 0) return 1;
	if (listen(port, 4096) != 0) return 1;
	getsockname(port, (struct sockaddr *)&address, &size);
	printf("{\"url\":\"http://127.0.0.1:%d\"}\n", ntohs(address.sin_port));
	fflush(stdout);
	int epoll = epoll_create1(0);
	struct epoll_event event = { .events = EPOLLIN, .data.fd = port };
	epoll_ctl(epoll, EPOLL_CTL_ADD, port, &event);
	for (;;) {
		struct epoll_event events[64];
		int ready = epoll_wait(epoll, events, 64, -1);
		for (int at = 0; at < ready; at++) {
			int fd = events[at].data.fd;
			if (fd != port) {
				take(fd);
				continue;
			}
			int client = accept(port, NULL, NULL);
			if (client < 0) continue;
			int on = 1;
			setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
			event.data.fd = client;
			epoll_ctl(epoll, EPOLL_CTL_ADD, client, &event);
		}
	}
}
