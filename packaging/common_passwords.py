#!/usr/bin/env python3
"""Makes daemon/src/password/common.txt: the passwords that are tried first, long ones above all.

    python3 packaging/common_passwords.py > daemon/src/password/common.txt

A minimum length does away with the short favourites, and people reach the length in a few ways: they write the favourite
twice, run along the keyboard, put digits or a year behind words, or take a line that everybody knows. This script writes
those ways down once, over the words and lines below. The output is folded (small letters, NFC), sorted by bytes, each once,
and holds nothing under 8 characters, since no configuration lets that be set. Same script, same output.
"""

import sys
import unicodedata

SHORTEST = 8
LONGEST = 48

# Favourites: what tops every list of leaked passwords in one form or another.
FAVOURITES = """
password passw0rd p@ssword p@ssw0rd pass letmein welcome admin administrator login secret changeme default master
qwerty qwertz azerty abc123 monkey dragon football baseball basketball soccer hockey superman batman spiderman starwars
pokemon princess sunshine shadow michael jordan jennifer jessica ashley daniel charlie thomas george andrew matthew
summer winter spring autumn flower hello freedom whatever trustno1 iloveyou loveyou lovely computer internet server
samsung google facebook ninja mustang ferrari porsche mercedes corvette yankees lakers arsenal chelsea liverpool
barcelona realmadrid cookie chocolate banana orange cheese pepper ginger buster tigger snoopy maggie bailey diamond
angel jesus heaven blessed forever family mother friends test guest user root temp access system security private
company office account manager service support monday friday january december london paris newyork america
""".split()

# What follows a favourite until the length is reached.
TAILS = """
1 12 123 1234 12345 123456 12345678 123456789 1234567890 01 ! !!! 1! 123! @123 abc
""".split()

YEARS = [str(year) for year in range(2020, 2027)]

# Runs along the keyboard and the alphabet; each is also taken backwards, doubled and cut to the usual lengths.
RUNS = """
qwertyuiopasdfghjklzxcvbnm qwertyuiop[]asdfghjkl qazwsxedcrfvtgbyhnujmikolp 1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik
1q2w3e4r5t6y7u8i9o0p 1q2w3e4r5t6y7u8i 12345678901234567890123456789012 123456789123456789123456789 098765432109876543210987654321
987654321987654321 abcdefghijklmnopqrstuvwxyz abcdefghijklmnop123456789 a1b2c3d4e5f6g7h8i9j0 1a2b3c4d5e6f7g8h9i0j
qwertzuiopasdfghjklyxcvbnm azertyuiopqsdfghjklmwxcvbn asdfghjklzxcvbnm zxcvbnmasdfghjkl zaq12wsxcde34rfvbgt56yhn
!qaz@wsx#edc$rfv%tgb !@#$%^&*()!@#$%^&*() 147258369147258369 159357159357159357 qweasdzxcqweasdzxc qweasdzxc123qweasdzxc123
123qweasdzxc123qwe 1234qwerasdfzxcv 1234567890qwertyuiop qwertyuiop1234567890 qwerty123456qwerty123456 asdf1234asdf1234asdf
poiuytrewqlkjhgfdsamnbvcxz 112233445566778899 11223344556677889900 102030405060708090 135792468013579 246810121416182022
3141592653589793238462643 2718281828459045235360 1123581321345589144 aabbccddeeffgghhiijj qqwweerrttyyuuiioopp
""".split()

# Lines, sayings and sentences that people think of first. Each is taken with and without its spaces, and with the usual tails.
LINES = """
i love you forever
i love you so much
i love you more than anything
i love my family
i love my mom and dad
i love my wife and kids
i love my husband
i love my daughter
i love my children
i love jesus christ
i love chocolate cake
i hate passwords
i hate this password
i forgot my password
i dont know my password
i cant remember my password
i need a new password
this is my password
this is a password
this is not my password
this is my new password
this is the password
this is a long password
this is a secure password
this is a strong password
this is a secret
this password is secure
my password is password
my password is secret
my secret password
my new password
my long password
my super secret password
my very long password
my very secure password
the password is password
password is my password
please let me in
please log me in
let me in please
let me in right now
open sesame
open the door please
change me please
change this password
change me immediately
please change me now
please change this password
default password
temporary password
welcome to the jungle
welcome to my world
welcome to the machine
welcome back my friend
welcome to hell
hello my name is
hello darkness my old friend
hello world program
hello my friend
good morning vietnam
good morning sunshine
good night and good luck
to be or not to be
to be or not to be that is the question
all is well that ends well
romeo and juliet
the quick brown fox
the quick brown fox jumps
the quick brown fox jumps over the lazy dog
jumps over the lazy dog
lorem ipsum dolor
lorem ipsum dolor sit amet
it was the best of times
call me ishmael
once upon a time
happily ever after
live and let die
live long and prosper
live laugh love
live free or die
may the force be with you
the force is strong
use the force luke
luke i am your father
i am your father
one ring to rule them all
you shall not pass
not all who wander are lost
my precious ring
lord of the rings
game of thrones
winter is coming
valar morghulis
a song of ice and fire
harry potter and me
hogwarts express
star wars rules
star trek voyager
to infinity and beyond
beam me up scotty
beam me up scotty please
resistance is futile
make it so number one
the truth is out there
i want to believe
trust no one ever
elementary my dear watson
the name is bond
james bond 007 agent
ill be back soon
hasta la vista baby
run forrest run
life is like a box of chocolates
houston we have a problem
show me the money
say hello to my little friend
heres looking at you kid
frankly my dear
there is no place like home
theres no place like home
no place like home
there is no spoon
follow the white rabbit
down the rabbit hole
wake up neo please
alice in wonderland
curiouser and curiouser
peter pan and wendy
the answer is 42
dont panic towel
so long and thanks for all the fish
all your base are belong to us
the cake is a lie
winner winner chicken dinner
up up down down left right
super mario brothers
legend of zelda
world of warcraft
call of duty modern
grand theft auto
final fantasy seven
leroy jenkins
correct horse
battery staple
better late than never
practice makes perfect
actions speak louder than words
an apple a day
an apple a day keeps the doctor away
time is money
money money money
carpe diem
carpe diem carpe diem
veni vidi vici
cogito ergo sum
in god we trust
god is good all the time
god is love forever
god bless america
god save the queen
god save the king
jesus is lord
jesus loves me
jesus loves you
jesus is my savior
the lord is my shepherd
our father who art in heaven
praise the lord
faith hope love
hail mary full of grace
in the beginning
john 3 16
psalm 23
amazing grace
happy birthday to you
merry christmas everyone
merry christmas
happy new year
happy halloween
twinkle twinkle little star
mary had a little lamb
humpty dumpty
row row row your boat
itsy bitsy spider
jingle bells jingle bells
rock and roll
rock and roll forever
stairway to heaven
sex drugs and rock
dont worry be happy
dont stop believing
never give up
never gonna give you up
never say never
never forget
keep calm and carry on
keep it simple stupid
just do it nike
just do it
just another day
yes we can
make america great again
united states of america
new york yankees
new york city
los angeles lakers
san francisco giants
dallas cowboys
green bay packers
manchester united
manchester city
liverpool football club
youll never walk alone
real madrid
hala madrid
forza juventus
forza italia
visca el barca
borussia dortmund
bayern munich
dragon ball z
hello kitty
little princess
my little pony
my little princess
daddys little girl
mommys little girl
teddy bear
cookie monster
sponge bob square pants
mickey mouse
mickey and minnie
donald duck
winnie the pooh
buzz lightyear
hakuna matata
frozen let it go
captain america
the incredible hulk
iron man
i am iron man
i am batman
i am groot
i am legend
i am the best
i am the one
i am the king
i am awesome
i am god
black panther
wonder woman
spider man
one two three four
one two three four five
one two three four five six
one two three
un deux trois quatre cinq
uno dos tres cuatro cinco
eins zwei drei vier fuenf
a b c d e f g h i j k
no more passwords
no password needed
i have no password
there is no password
guess my password
guess what it is
you will never guess
you will never guess this
you will never guess it
nobody will guess this
try to guess this
hack me if you can
catch me if you can
you cant hack me
you shall not hack
do not enter
keep out
top secret
super secret
super secure
very secret password
super strong password
very strong password
administrator password
root password
admin admin
database password
server password
network password
wireless password
company password
office password
computer password
internet password
what is my password
whats my password
same as before
same as always
same old password
none of your business
mind your own business
leave me alone
go away please
i dont care
who cares anyway
whatever you want
for ever and ever
best friends forever
friends forever
together forever
always and forever
always and forever you
forever and always
true love forever
love you forever
love you always
love is all you need
love conquers all
love of my life
you are my sunshine
you are my everything
you are the best
you are beautiful
you and me forever
te quiero mucho
te amo mucho
te amo para siempre
mi amor por siempre
je t aime beaucoup
je t aime mon amour
ich liebe dich
ich liebe dich so sehr
mein passwort ist geheim
mein passwort
mot de passe
mon mot de passe
contrasena segura
mi contrasena
""".strip().splitlines()

LINE_TAILS = ["", "1", "12", "123", "1234", "!", "1!"] + YEARS[-3:]

# Only as one word: with its spaces it is the example of every manual, this one's too.
JOINED = ["correct horse battery staple", "correct battery horse staple", "horse battery staple correct"]


def favourites():
    for word in FAVOURITES:
        for times in (2, 3, 4):
            yield word * times
        for tail in TAILS:
            yield word + tail
            yield (word + tail) * 2
            yield word + word + tail
        for year in YEARS:
            yield word + year
            yield word + "@" + year
            yield year + word + year
    for word in FAVOURITES[:8]:
        for other in FAVOURITES:
            yield word + other
            yield word + other + "123"


def runs():
    for run in RUNS:
        for length in range(SHORTEST, len(run) + 1):
            if length in (8, 9, 10, 12) or length >= 14:
                yield run[:length]
                yield run[:length][::-1]
        for length in (4, 5, 6, 8, 10):
            for times in (2, 3, 4):
                yield run[:length] * times
    for letter in "abcdefghijklmnopqrstuvwxyz0123456789!?*.-_ ":
        for length in list(range(8, 21)) + [24, 32]:
            yield letter * length
    for pair in ("12", "21", "01", "10", "ab", "69", "99", "88", "123", "321", "abc", "xyz", "asd", "qwe", "zxc", "007", "1234", "4321"):
        for length in range(15, 21):
            yield (pair * length)[:length]


def lines():
    for line in LINES:
        joined = line.replace(" ", "")
        yield line
        for tail in LINE_TAILS:
            yield joined + tail
        yield line.replace(" ", "-")
        yield line.replace(" ", "_")
        yield line.replace(" ", ".")
        if len(joined) < 15:
            yield joined * 2
            yield joined + "123456"
            yield joined + "123456789"
    for line in JOINED:
        for separator in ("", "-", "_", "."):
            yield line.replace(" ", separator)
        for tail in LINE_TAILS:
            yield line.replace(" ", "") + tail


def main():
    folded = (unicodedata.normalize("NFC", entry.lower()) for make in (favourites, runs, lines) for entry in make())
    kept = {entry for entry in folded if SHORTEST <= len(entry) <= LONGEST and entry == entry.strip()}
    for entry in sorted(kept, key=lambda entry: entry.encode()):
        sys.stdout.write(entry + "\n")


main()
