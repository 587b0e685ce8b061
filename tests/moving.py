"""Makes users as other programs do, in a PostgreSQL behind the socket in a directory: `django PASSWORD DIRECTORY` or `table PASSWORD DIRECTORY`."""

import sys

import bcrypt
import psycopg

what, password, directory = sys.argv[1:]


def django_users():
    import django
    from django.conf import settings
    from django.core.management import call_command

    hashers = ["PBKDF2PasswordHasher", "Argon2PasswordHasher", "BCryptSHA256PasswordHasher", "ScryptPasswordHasher"]
    settings.configure(
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"],
        DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "postgres", "USER": "shop", "HOST": directory}},
        PASSWORD_HASHERS=["django.contrib.auth.hashers." + hasher for hasher in hashers],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    )
    django.setup()
    call_command("migrate", verbosity=0)
    from django.contrib.auth.hashers import make_password
    from django.contrib.auth.models import Group, User

    def add(name, hasher="default", **fields):
        return User.objects.create(username=name, password=make_password(password, hasher=hasher), **fields)

    editor = add("pbkdf2", "pbkdf2_sha256", is_staff=True, email="p@example.org", first_name='Pat "P" O\'Hara', last_name="\\o/")
    editor.groups.add(Group.objects.create(name="editors"))
    add("argon2", "argon2")
    add("bcrypt-sha256", "bcrypt_sha256")
    add("scrypt", "scrypt")
    add("Mixed.Case@Example.org", is_superuser=True, is_staff=True)
    add("inactive", is_active=False)
    User.objects.create(username="unusable", password=make_password(None))
    add("plus+sign")


def table_users():
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(6)).decode()
    with psycopg.connect(host=directory, user="shop", dbname="postgres") as database:
        database.execute("CREATE EXTENSION pgcrypto")
        database.execute(
            "CREATE TABLE users (id bigserial PRIMARY KEY, login text UNIQUE, password text, email text, roles text[], locked boolean)"
        )
        insert = "INSERT INTO users (login, password, email, roles, locked) VALUES "
        database.execute(insert + "('by-python', %s, 'a@example.org', '{editor,reader}', false)", [hashed])
        database.execute(insert + "('by-pgcrypto', crypt(%s, gen_salt('bf', 6)), NULL, '{reader}', false)", [password])
        database.execute(insert + "('left', %s, NULL, '{}', true)", [hashed])


{"django": django_users, "table": table_users}[what]()
