// A static program for the inside of test containers: does what busybox can't.
//   probe udp-echo PORT     answers every datagram with itself
//   probe syscall NAME      makes one system call and prints "ok" or its error
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int udp_echo(int port) {
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(port)};
  if (fd < 0 || bind(fd, (struct sockaddr*)&here, sizeof here) != 0) {
    perror("bind");
    return 1;
  }
  for (;;) {
    char data[65536];
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    const ssize_t length = recvfrom(fd, data, sizeof data, 0, (struct sockaddr*)&from, &size);
    if (length >= 0) sendto(fd, data, length, 0, (struct sockaddr*)&from, size);
  }
}

static int make_syscall(const char* name) {
  long result;
  if (strcmp(name, "keyctl") == 0) {
    result = syscall(SYS_keyctl, 0, -3, 0);
  } else if (strcmp(name, "bpf") == 0) {
    result = syscall(SYS_bpf, 0, NULL, 0);
  } else if (strcmp(name, "clone_newuser") == 0) {
    result = syscall(SYS_unshare, 0x10000000);
  } else if (strcmp(name, "clone3") == 0) {
    result = syscall(SYS_clone3, NULL, 0);
  } else if (strcmp(name, "getpid") == 0) {
    result = syscall(SYS_getpid);
  } else {
    return 2;
  }
  puts(result >= 0 ? "ok" : strerror(errno));
  return 0;
}

int main(int count, char** words) {
  if (count == 3 && strcmp(words[1], "udp-echo") == 0) return udp_echo(atoi(words[2]));
  if (count == 3 && strcmp(words[1], "syscall") == 0) return make_syscall(words[2]);
  return 2;
}
