// Starts and ends: what every command costs, whatever it does.
int main() {
    return 0;
}
