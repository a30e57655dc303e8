/*
 * Draws on the VGA's linear frame buffer through its Bochs VBE registers, without a driver, so that no driver's shadow or
 * delay is measured. A key on the console chooses what moves (modes below); any other key inverts the block at its place.
 * The first pixel holds the frame's number, so that whoever watches can count the frames that came.
 */
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { DISPI_INDEX = 0x1ce, DISPI_DATA = 0x1cf, XRES = 1, YRES = 2, BPP = 3, ENABLE = 4, VIRTUAL_WIDTH = 6, LINEAR = 0x41 };
enum { VIDEO_BYTES = 16 << 20, PICTURES = 4, BLOCK = 64 };

struct mode { char key; int width, height, moving_width, moving_height, frames_per_second; };

/* Still, a quarter of the pixels, all of them. */
static const struct mode modes[] = {
    { '0', 1024, 768, 0, 0, 0 }, { '1', 1024, 768, 512, 384, 60 }, { '2', 1024, 768, 1024, 768, 30 },
    { '3', 1920, 1080, 0, 0, 0 }, { '4', 1920, 1080, 960, 540, 60 }, { '5', 1920, 1080, 1920, 1080, 30 },
};

static volatile uint32_t *video;
static uint32_t *pictures[PICTURES];

static void dispi(int index, int value)
{
    outw((unsigned short)index, DISPI_INDEX);
    outw((unsigned short)value, DISPI_DATA);
}

static void map_video(void)
{
    glob_t found;
    if (iopl(3) != 0 || glob("/sys/bus/pci/devices/*/class", 0, NULL, &found) != 0) exit(1);
    for (size_t index = 0; index < found.gl_pathc; index += 1) {
        char path[256], class[16] = "";
        FILE *file = fopen(found.gl_pathv[index], "r");
        if (file == NULL || fgets(class, sizeof class, file) == NULL || strncmp(class, "0x0300", 6) != 0) continue;
        snprintf(path, sizeof path, "%.*s/resource0", (int)strlen(found.gl_pathv[index]) - 6, found.gl_pathv[index]);
        video = mmap(NULL, VIDEO_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, open(path, O_RDWR), 0);
        if (video != MAP_FAILED) return;
    }
    puts("@@ no VGA");
    exit(1);
}

/* Every pixel differs from the same pixel of the picture before. */
static void draw_pictures(const struct mode *mode)
{
    for (int picture = 0; picture < PICTURES; picture += 1) {
        pictures[picture] = realloc(pictures[picture], (size_t)mode->moving_width * (size_t)mode->moving_height * 4 + 4);
        for (int y = 0; y < mode->moving_height; y += 1) {
            for (int x = 0; x < mode->moving_width; x += 1) {
                uint32_t red = (uint32_t)(x + 16 * picture) & 255, green = (uint32_t)(y + 24 * picture) & 255;
                pictures[picture][y * mode->moving_width + x] = red << 16 | green << 8 | ((red ^ green) & 0xf0);
            }
        }
    }
}

static void enter(const struct mode *mode)
{
    dispi(ENABLE, 0);
    dispi(XRES, mode->width);
    dispi(YRES, mode->height);
    dispi(BPP, 32);
    dispi(ENABLE, LINEAR);
    dispi(VIRTUAL_WIDTH, mode->width);
    for (int pixel = 0; pixel < mode->width * mode->height; pixel += 1) video[pixel] = 0x203040;
    draw_pictures(mode);
}

static void draw(const struct mode *mode, uint32_t frame)
{
    for (int y = 0; y < mode->moving_height; y += 1) {
        memcpy((void *)&video[y * mode->width], &pictures[frame % PICTURES][y * mode->moving_width], (size_t)mode->moving_width * 4);
    }
    video[0] = frame & 0xffffff;
}

static void invert_block(const struct mode *mode)
{
    volatile uint32_t *block = &video[(mode->height - BLOCK) * mode->width];
    uint32_t color = block[0] == 0xffffff ? 0 : 0xffffff;
    for (int y = 0; y < BLOCK; y += 1) for (int x = 0; x < BLOCK; x += 1) block[y * mode->width + x] = color;
}

int main(void)
{
    int console = open("/dev/tty1", O_RDWR);
    struct termios raw;
    const struct mode *mode = &modes[0];
    uint32_t frame = 0;
    struct timespec next;
    tcgetattr(console, &raw);
    cfmakeraw(&raw);
    tcsetattr(console, TCSANOW, &raw);
    map_video();
    enter(mode);
    puts("@@ drawing");
    fflush(stdout);
    clock_gettime(CLOCK_MONOTONIC, &next);
    for (;;) {
        struct pollfd input = { .fd = console, .events = POLLIN };
        while (poll(&input, 1, mode->frames_per_second == 0 ? -1 : 0) > 0) {
            char key;
            if (read(console, &key, 1) != 1) return 1;
            const struct mode *chosen = NULL;
            for (size_t index = 0; index < sizeof modes / sizeof *modes; index += 1) if (modes[index].key == key) chosen = &modes[index];
            if (chosen == NULL) invert_block(mode);
            else {
                enter(mode = chosen);
                clock_gettime(CLOCK_MONOTONIC, &next);
            }
        }
        draw(mode, ++frame);
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        next.tv_nsec += 1000000000 / mode->frames_per_second;
        if (next.tv_nsec >= 1000000000) {
            next.tv_nsec -= 1000000000;
            next.tv_sec += 1;
        }
        /* What it was too late for isn't drawn. */
        if (next.tv_sec < now.tv_sec || (next.tv_sec == now.tv_sec && next.tv_nsec < now.tv_nsec)) next = now;
        else clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
    }
}
